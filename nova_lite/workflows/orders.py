"""Orders to hosts: the head that every command carries, and the guest's specification from the server's records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.durable.workflow import Done, Run, StepFailed, Transient, Wait
from nova_lite.model.guest import DirectBoot, GuestInterface, GuestSpec, PublicKey
from nova_lite.model.hardware import reading
from nova_lite.model.ids import HostName, ImageId, ServerId
from nova_lite.model.image import COMMAND_LINE, KERNEL, RAMDISK, ImageSource, boot_names
from nova_lite.model.server import Server
from nova_lite.rpc.commands import Command, CommandHead, RemoveGuest
from nova_lite.servers.notices import Notice
from nova_lite.workflows.ports import HostStanding, Ports

TICKET_S = 1800.0  # how long a host may take to fetch an image
REPEAT_S = 30.0  # a command unanswered for so long is sent again; the engine doubles it to 5 minutes


def head(run: Run[Any], standing: HostStanding) -> CommandHead:
    """Make the head of a command of this step."""
    return CommandHead(
        server_id=ServerId(run.subject_id),
        operation_id=run.operation_id,
        request_id=run.request_id,
        step=run.step,
        unwinding=run.unwinding,
        attempt=run.attempt,
        fence=run.fence,
        turn=run.turn,
        incarnation=standing.incarnation,
        time_left_s=run.time_left_s,
    )


def obeyed(run: Run[Any], host: HostName, command: Callable[[CommandHead], Command]) -> Done | Wait:
    """Have a host obey a command, and wait for its report: a whole step. May be repeated, as the command may.

    Raises: StepFailed when the host reports a fault, or is lost.
    """
    report = run.report()
    if report is not None:
        report.raise_if_fault()
        return Done()
    ports: Ports = run.ports
    standing = ports.hosts.look(host)
    if standing is None or standing.lost:
        raise StepFailed(f"Host {host} is down.", code=409)
    ports.compute.order(host, command(head(run, standing)))
    run.sent(host, run.step)
    return Wait(REPEAT_S, host)


def insisted(run: Run[Any], host: HostName, command: Callable[[CommandHead], Command]) -> Done | Wait:
    """Have a host obey a command, however long it is away: for what must not be given up. May be repeated.

    A host that is dead by proof, or was removed, is not waited for. Raises: Transient when the host reports a fault.
    """
    report = run.report()
    if report is not None:
        if report.ok:
            return Done()
        raise Transient(report.message)
    ports: Ports = run.ports
    standing = ports.hosts.look(host)
    if standing is None or standing.dead:
        run.note(f"{host} is dead: nothing is asked of it", host)
        return Done()
    if standing.up:
        ports.compute.order(host, command(head(run, standing)))
        run.sent(host, run.step)
    return Wait(REPEAT_S, host)


def removed_for_certain(run: Run[Any], host: HostName) -> Done | Wait:
    """Have a host remove the guest and wait for that, since another may run only then; one that is dead owes it.

    May be repeated. Raises: Transient when the host reports a fault.
    """
    ports: Ports = run.ports
    standing = ports.hosts.look(host)
    if standing is not None and standing.dead and run.report() is None:
        ports.hosts.owe_removal(host, ServerId(run.subject_id), fence=run.fence, turn=run.turn)
        run.note(f"{host} is dead: it removes the guest when it returns", host)
        return Done()
    return insisted(run, host, lambda head: RemoveGuest(head=head))


def guest_spec(
    server: Server,
    image: ImageSource | None,
    interfaces: tuple[GuestInterface, ...],
    *,
    direct: DirectBoot | None,
    admin_pass: str | None = None,
) -> GuestSpec:
    """Say what the guest of a server is made of; `direct` by `direct_boot`."""
    keys: tuple[PublicKey, ...] = ()
    if server.key_name is not None and server.key_data is not None:
        keys = (PublicKey(name=server.key_name, type=server.key_type or "ssh", data=server.key_data),)
    return GuestSpec(
        server_id=server.id,
        name=server.name,
        hostname=server.hostname,
        project_id=server.project_id,
        user_id=server.user_id,
        flavor_name=server.flavor.name,
        vcpus=server.flavor.vcpus,
        ram_mib=server.flavor.ram_mib,
        root_gib=server.flavor.disk_gib,
        ephemeral_gib=server.flavor.ephemeral_gib,
        swap_mib=server.flavor.swap_mib,
        blank_disks=server.blank_disks,
        files=server.files,
        image=image,
        direct=direct,
        image_properties=server.image_properties,
        extra_specs=server.flavor.extra_specs,
        hardware=reading.understood(server.flavor, server.image_properties),
        interfaces=interfaces,
        config_drive=server.config_drive,
        user_data=server.user_data,
        metadata=server.metadata,
        keys=keys,
        availability_zone=server.availability_zone or "nova",
        admin_pass=admin_pass,
        flat=server.flat_disk,
        launch_index=server.launch_index,
        reservation_id=server.reservation_id,
    )


def image_for(ports: Ports, image_id: ImageId, host: HostName) -> ImageSource:
    """Give a host the ticket for an image. Raises: StepFailed when nobody can use the image any more; Unavailable."""
    try:
        return ports.images.source_for(image_id, host, valid_s=TICKET_S)
    except (errors.NotFound, errors.Conflict) as error:
        raise StepFailed(f"The image cannot be used any more: {error.message}", code=error.status) from error


def direct_boot(ports: Ports, properties: Mapping[str, str], host: HostName) -> DirectBoot | None:
    """Give a host the tickets for the kernel and the ramdisk that an image's properties name; None: it has a loader.

    Raises: StepFailed when nobody can use one any more; Unavailable.
    """
    names = boot_names(properties)
    if not names:
        return None
    return DirectBoot(
        kernel=_boot_file(ports, names[KERNEL], host),
        ramdisk=_boot_file(ports, names[RAMDISK], host) if RAMDISK in names else None,
        command_line=names.get(COMMAND_LINE),
    )


def _boot_file(ports: Ports, image_id: str, host: HostName) -> ImageSource:
    try:
        return ports.images.source_for(ImageId(image_id), host, valid_s=TICKET_S, disk=False)
    except (errors.NotFound, errors.Conflict) as error:
        raise StepFailed(f"The image's kernel or ramdisk cannot be used: {error.message}", code=error.status) from error


def image_under(ports: Ports, server: Server, host: HostName) -> ImageSource | None:
    """Give a host the ticket for the image that a server's disk lies on; None: it lies on none. Raises: as `image_for`."""
    return None if server.image_id is None or server.flat_disk else image_for(ports, server.image_id, host)


def spec_now(ports: Ports, server: Server, host: HostName, *, admin_pass: str | None = None) -> GuestSpec:
    """Say what the guest of a settled server is made of now, with the ports that it has. Raises: as `image_for`."""
    image = image_under(ports, server, host)
    interfaces = tuple(port.interface for port in ports.network.bound_ports(server.id, server.requested_networks))
    direct = direct_boot(ports, server.image_properties, host)
    return guest_spec(server, image, interfaces, direct=direct, admin_pass=admin_pass)


def remove_from(run: Run[Any], host: HostName) -> Done | Wait:
    """Have the host remove the guest, and wait for it; a host that is down is left a tombstone. May be repeated.

    Raises: Transient when the host reports that it could not.
    """
    ports: Ports = run.ports
    report = run.report()
    if report is not None:
        if report.ok:
            return Done()
        raise Transient(report.message)
    standing = ports.hosts.look(host)
    if standing is None:
        return Done()
    if not standing.up:
        ports.hosts.owe_removal(host, ServerId(run.subject_id), fence=run.fence, turn=run.turn)
        run.note(f"{host} is down: it removes the guest when it returns", host)
        return Done()
    ports.compute.order(host, RemoveGuest(head=head(run, standing)))
    run.sent(host, "remove_guest")
    return Wait(REPEAT_S, host)


def notice_of(run: Run[Any]) -> Notice:
    """Give what a notification says of the operation: who began it, and what it failed of."""
    failure = run.failure
    return Notice(
        user_id=run.user_id or None,
        project_id=run.project_id or None,
        request_id=run.request_id or None,
        fault=(failure.step, failure.message) if failure is not None else None,
    )
