"""What is asked of libvirt's domains, as functions of a connection that may be repeated."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

import libvirt

from nova_lite.compute.virt.libvirt import xml
from nova_lite.model.guest import PowerState

POWER = {
    libvirt.VIR_DOMAIN_NOSTATE: PowerState.NOSTATE,
    libvirt.VIR_DOMAIN_RUNNING: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: PowerState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: PowerState.RUNNING,  # on its way
    libvirt.VIR_DOMAIN_SHUTOFF: PowerState.SHUTDOWN,
    libvirt.VIR_DOMAIN_CRASHED: PowerState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: PowerState.SUSPENDED,
}
EVENTS = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: PowerState.RUNNING,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: PowerState.PAUSED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED: PowerState.SHUTDOWN,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: PowerState.CRASHED,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: PowerState.SUSPENDED,
}
FORGET = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
ABSENT = (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_DOMAIN_METADATA)
SO_ALREADY = libvirt.VIR_ERR_OPERATION_INVALID
DomainAct = Callable[[libvirt.virDomain], None]


def find(connection: libvirt.virConnect, host: str, server_id: str) -> libvirt.virDomain | None:
    """Find a guest of this host."""
    try:
        domain = connection.lookupByUUIDString(server_id)
    except libvirt.libvirtError as error:
        if error.get_error_code() in ABSENT:
            return None
        raise
    return domain if host_of(domain) == host else None


def host_of(domain: libvirt.virDomain) -> str | None:
    """Give the host whose guest a domain is; None for what is not ours."""
    try:
        return xml.host_of(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, xml.NAMESPACE))
    except libvirt.libvirtError as error:
        if error.get_error_code() in ABSENT:
            return None
        raise


def power_of(domain: libvirt.virDomain) -> PowerState:
    """Give a domain's power state; SUSPENDED when its memory is kept, NOSTATE when it is gone meanwhile."""
    try:
        power = POWER.get(domain.state()[0], PowerState.NOSTATE)
        return PowerState.SUSPENDED if power is PowerState.SHUTDOWN and domain.hasManagedSaveImage(0) else power
    except libvirt.libvirtError as error:
        if error.get_error_code() in ABSENT:
            return PowerState.NOSTATE
        raise


def is_going(domain: libvirt.virDomain) -> bool:
    """Whether a domain stands still since the last of its memory goes to another host, or has gone there."""
    state, reason = domain.state()
    return state == libvirt.VIR_DOMAIN_SHUTOFF or (
        state == libvirt.VIR_DOMAIN_PAUSED
        and reason in (libvirt.VIR_DOMAIN_PAUSED_MIGRATION, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY)
    )


def list_all(connection: libvirt.virConnect) -> list[tuple[str, libvirt.virDomain]]:
    """List the domains whose names are of our kind, with the server's id in them."""
    start = f"{xml.PREFIX}-"
    named = ((domain.name(), domain) for domain in connection.listAllDomains())
    return [(name.removeprefix(start), domain) for name, domain in named if name.startswith(start)]


def define_and_start(connection: libvirt.virConnect, text: str, given_up: threading.Event) -> None:
    """Have a domain as `text` says, running. Once `given_up` is set nobody waits for it: it may have been removed."""
    if given_up.is_set():
        return
    domain = connection.defineXML(text)
    if given_up.is_set():
        domain.undefineFlags(FORGET)
        return
    start(domain)


def define(connection: libvirt.virConnect, text: str) -> None:
    """Have a domain as `text` says; whether it runs stays as it is."""
    connection.defineXML(text)


def start(domain: libvirt.virDomain) -> None:
    """Have a domain running; one that is paused or suspended goes on."""
    power = power_of(domain)
    if power is PowerState.PAUSED:
        domain.resume()
    elif power is PowerState.SUSPENDED and domain.isActive():  # it put itself to sleep
        domain.pMWakeup(0)
    elif power is not PowerState.RUNNING:
        with _unless(lambda: bool(domain.isActive())):
            domain.create()


def destroy(domain: libvirt.virDomain) -> None:
    """Pull the plug; one that is off stays off, and begins anew when it is started: kept memory is dropped."""
    if domain.isActive():
        with _unless(lambda: not domain.isActive()):
            domain.destroy()
    if domain.hasManagedSaveImage(0):
        domain.managedSaveRemove(0)


def save(domain: libvirt.virDomain) -> None:
    """Keep a domain's memory where libvirt finds it at the next start, and have it off."""
    with _unless(lambda: bool(domain.hasManagedSaveImage(0))):
        domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)


def remove(connection: libvirt.virConnect, host: str, server_id: str) -> None:
    """Destroy and forget a guest of this host; nothing to remove is success."""
    domain = find(connection, host, server_id)
    if domain is None:
        return
    try:
        destroy(domain)
        domain.undefineFlags(FORGET)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in ABSENT:
            raise


def ask_to_shut_down(domain: libvirt.virDomain) -> None:
    """Ask the guest: its agent if it answers, else by the power button. Whether it obeys shows in its state."""
    with contextlib.suppress(libvirt.libvirtError):
        domain.shutdown()
        return
    with contextlib.suppress(libvirt.libvirtError):
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)


@contextlib.contextmanager
def _unless(done: Callable[[], bool]) -> Iterator[None]:
    """Let an operation fail when what it was to bring about is so already."""
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_code() != SO_ALREADY or not done():
            raise
