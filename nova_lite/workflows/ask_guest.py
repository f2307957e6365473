"""Asking a guest: another password by its agent, a dump of its memory by an interrupt. The server stays what it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from nova_lite.context import Context
from nova_lite.db.engine import Tx
from nova_lite.durable.workflow import Done, Outside, Record, Run, Wait, Workflow, minutes, seconds
from nova_lite.model.hardware import devices
from nova_lite.model.hardware.guest import WINDOWS
from nova_lite.model.hardware.words import Wishes
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.server import TaskState
from nova_lite.rpc.commands import CrashGuest, RewireGuest, SetPassword
from nova_lite.servers import records
from nova_lite.workflows import delete
from nova_lite.workflows.accepting import Beginning, begin, host_of, ready
from nova_lite.workflows.desk import Desk
from nova_lite.workflows.orders import notice_of, obeyed

CRASH_DUMP = "trigger_crash_dump"
WINDOWS_ADMINISTRATOR = "Administrator"
LONGEST_USER = 255


@dataclasses.dataclass(frozen=True, kw_only=True)
class PasswordParams:
    """Whose administrator gets which password. `user` is his name, where the image tells it."""

    server_id: ServerId
    host: HostName
    user: str | None = None
    password: str | None = dataclasses.field(default=None, metadata={"secret": True})  # emptied at the end


@dataclasses.dataclass(frozen=True, kw_only=True)
class DumpParams:
    """Which guest is to dump its memory, or to be wired again."""

    server_id: ServerId
    host: HostName


def set_password(run: Run[PasswordParams]) -> Done | Wait:
    """Have the guest's agent set the password."""
    password, user = run.params.password or "", run.params.user
    return obeyed(run, run.params.host, lambda head: SetPassword(head=head, password=password, user=user))


def interrupt_guest(run: Run[DumpParams]) -> Done | Wait:
    """Have the guest interrupted once."""
    return obeyed(run, run.params.host, lambda head: CrashGuest(head=head))


def rewire_guest(run: Run[DumpParams]) -> Done | Wait:
    """Have the host plug the guest's taps and serve its metadata as they were ordered."""
    return obeyed(run, run.params.host, lambda head: RewireGuest(head=head))


def tell_end(run: Run[DumpParams]) -> Done:
    """Tell other services."""
    records.announce(run.tx, run.params.server_id, f"{CRASH_DUMP}.end", notice_of(run))
    return Done()


def tell_failure(run: Run[DumpParams]) -> None:
    """Tell other services that there is no dump."""
    records.announce(run.tx, run.params.server_id, f"{CRASH_DUMP}.error", notice_of(run))


CHANGE_PASSWORD = Workflow(
    name="change_password",
    version=1,
    params=PasswordParams,
    steps=(
        # No undo: nobody knows the password of before.
        Outside("set_password", set_password, None, TaskState.UPDATING_PASSWORD, minutes(2)),
    ),
    on_delete=delete.begin_after,
)
TRIGGER_CRASH_DUMP = Workflow(
    name=CRASH_DUMP,
    version=1,
    params=DumpParams,
    steps=(
        # No undo: an interrupt cannot be taken back.
        Outside("interrupt_guest", interrupt_guest, None, None, minutes(2)),
        Record("tell_end", tell_end, None, None, seconds(60)),
    ),
    on_failure=tell_failure,
    on_delete=delete.begin_after,
)

INJECT_NETWORK_INFO = Workflow(
    name="inject_network_info",
    version=1,
    params=DumpParams,
    steps=(
        # No undo: the host is only brought to what it should be.
        Outside("rewire_guest", rewire_guest, None, None, minutes(2)),
    ),
    on_delete=delete.begin_after,
)


def accept_network_info(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept that the host wires a guest again. Raises: NotFound; Conflict when an operation or its state is in the way."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "injectNetworkInfo")
        params = DumpParams(server_id=server_id, host=host_of(server))
        begin(desk, tx, context, Beginning(server=server, workflow=INJECT_NETWORK_INFO, params=params))

    desk.database.transact(work)


def administrator(properties: Mapping[str, str]) -> str | None:
    """Name the administrator of a system by its image's properties; None where they say nothing, and it is the usual one."""
    told = properties.get("os_admin_user", "").strip()[:LONGEST_USER]
    return told or (WINDOWS_ADMINISTRATOR if devices.os_type(Wishes({}, properties)) == WINDOWS else None)


def accept_password(desk: Desk, context: Context, server_id: ServerId, password: str) -> None:
    """Accept another password. Raises: NotFound; Conflict when its state or a running operation does not allow it."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "changePassword")
        user = administrator(server.image_properties)
        params = PasswordParams(server_id=server_id, host=host_of(server), user=user, password=password)
        begin(desk, tx, context, Beginning(server=server, workflow=CHANGE_PASSWORD, params=params))

    desk.database.transact(work)


def accept_crash_dump(desk: Desk, context: Context, server_id: ServerId) -> None:
    """Accept an interrupt. Raises: NotFound; Conflict when its state or a running operation does not allow it."""

    def work(tx: Tx) -> None:
        server = ready(tx, server_id, "trigger_crash_dump")
        params = DumpParams(server_id=server_id, host=host_of(server))
        begin(desk, tx, context, Beginning(server=server, workflow=TRIGGER_CRASH_DUMP, params=params, event=CRASH_DUMP))

    desk.database.transact(work)
