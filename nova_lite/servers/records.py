"""Servers as the control side keeps them: rows to and from `Server`."""

from __future__ import annotations

from typing import Any

from nova_lite import errors
from nova_lite.db import servers as queries
from nova_lite.db.engine import Tx
from nova_lite.db.servers import Row, ServerFilter, ServerPage
from nova_lite.model import wire
from nova_lite.model.flavor import Flavor
from nova_lite.model.guest import BlankDisk, InjectedFile, PowerState
from nova_lite.model.server import (
    Fault,
    LiveOperation,
    RequestedNetwork,
    Server,
    ServerAddress,
    ServerState,
    TaskState,
)
from nova_lite.servers import notices
from nova_lite.servers.notices import Notice

NAMED_AT_MOST = 10  # of the servers of one name
_COMPUTED = ("live", "host_up")  # in a Server, but in no column
_POWER_STATES = {state.value: state for state in PowerState}
_STATES = {state.value: state for state in ServerState}


def insert(tx: Tx, server: Server) -> None:
    """Add a server; one statement."""
    values = {name: value for name, value in vars(server).items() if name not in _COMPUTED}
    queries.insert_server(tx, {**_columns(values), "flavor_id": server.flavor.id})


def update(tx: Tx, server_id: str, **columns: Any) -> None:
    """Change fields of a server, by the names and types they have in `Server`; `updated_at` follows.

    Raises: NotFound when there is no such row.
    """
    before = get(tx, server_id, include_deleted=True) if tx.database.announces else None
    values = {"updated_at": tx.database.clock.wall(), **_columns(columns)}
    if "flavor" in columns:
        values["flavor_id"] = columns["flavor"].id
    if not queries.update_server(tx, server_id, values):
        raise no_server(server_id)
    if before is not None:
        notices.write_update(tx, before, get(tx, server_id, include_deleted=True))


def announce(tx: Tx, server_id: str, event: str, notice: Notice) -> None:
    """Tell other services that something happened to a server, as it stands now; nothing where none listen."""
    if tx.database.announces:
        notices.write(tx, get(tx, server_id, include_deleted=True), event, notice)


def get(tx: Tx, server_id: str, *, project_id: str | None = None, include_deleted: bool = False) -> Server:
    """Read a server with its live operation.

    Raises: NotFound when there is none, when it belongs to another project than the one named, or is deleted.
    """
    row = queries.find_server(tx, server_id)
    if row is None or (project_id is not None and row["project_id"] != project_id):
        raise no_server(server_id)
    if row["state"] == ServerState.DELETED and not include_deleted:
        raise no_server(server_id)
    return of_row(row)


def get_named(tx: Tx, word: str) -> Server:
    """Read the server of an id, else the one that has this name: one that lives, else the one that was deleted last.

    For operators, who see all projects. Raises: NotFound; Conflict, with the ids, when several that live have the name.
    """
    try:
        return get(tx, word, include_deleted=True)
    except errors.NotFound:
        named = queries.ids_named(tx, word, limit=NAMED_AT_MOST)
    living = [server_id for server_id, deleted in named if not deleted]
    if len(living) > 1:
        raise errors.Conflict(f"Several servers have the name {word}; name one by its id: {', '.join(living)}.")
    if not named:
        raise no_server(word)
    return get(tx, named[0][0], include_deleted=True)


def list_page(tx: Tx, wanted: ServerFilter, page: ServerPage) -> list[Server]:
    """Read a page of servers, without user data and keys unless the page asks for long columns.

    Raises: NotFound when the marker is no server; BadRequest for a regular expression that the database refuses.
    """
    return [of_row(row) for row in queries.list_servers(tx, wanted, page)]


def no_server(server_id: str) -> errors.NotFound:
    """Make the error of a server that is not there, or not for the one who asks."""
    return errors.NotFound(f"There is no server {server_id}.")


def of_row(row: Row) -> Server:
    """Build a server from its row.

    The instance's dictionary is filled at once: a frozen dataclass sets field by field, which costs a list of a
    thousand servers twice the time of reading it.
    """
    fields = dict(row)
    live_id = fields.pop("live_id")
    workflow, step = fields.pop("live_workflow"), fields.pop("live_step")
    unwinding, delete_asked = fields.pop("live_unwinding"), fields.pop("live_delete_asked")
    fields["live"] = None
    if live_id is not None:
        fields["live"] = LiveOperation(
            id=live_id,
            workflow=workflow,
            step=step,
            unwinding=bool(unwinding),
            task_state=TaskState.DELETING if delete_asked else None,
        )
    del fields["flavor_id"]
    flavor = object.__new__(Flavor)
    flavor.__dict__.update(_FLAVOR_DEFAULTS, **fields["flavor"])
    fields["flavor"] = flavor
    fields["metadata"] = fields.pop("properties")
    fields["state"] = _STATES[fields["state"]]
    fields["power_state"] = _POWER_STATES[fields["power_state"]]
    fields["tags"] = tuple(fields["tags"])
    networks = fields.get("requested_networks", ())
    fields["requested_networks"] = tuple(wire.from_plain(RequestedNetwork, item) for item in networks)
    blank = fields.get("blank_disks")
    fields["blank_disks"] = None if blank is None else tuple(wire.from_plain(BlankDisk, item) for item in blank)
    fields["files"] = tuple(wire.from_plain(InjectedFile, item) for item in fields.get("files") or ())
    fields["addresses"] = tuple(_address(item) for item in fields["addresses"])
    if fields["fault"] is not None:
        fields["fault"] = wire.from_plain(Fault, fields["fault"])
    fields["host_up"] = None
    fields.setdefault("user_data", None)
    fields.setdefault("key_data", None)
    server = object.__new__(Server)
    server.__dict__.update(fields)
    return server


def _address(item: dict[str, Any]) -> ServerAddress:
    return ServerAddress(
        network=item["network"],
        ip_address=item["ip_address"],
        mac_address=item["mac_address"],
        version=item.get("version", 4),
    )


_FLAVOR_DEFAULTS = {
    name: value
    for name, value in vars(Flavor(id="", name="", vcpus=0, ram_mib=0)).items()  # type: ignore[arg-type]
}


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """Give plain column values; the table calls `metadata` `properties`, since SQLAlchemy wants the other name."""
    columns = {name: wire.to_plain(value) for name, value in values.items()}
    if "metadata" in columns:
        columns["properties"] = columns.pop("metadata")
    return columns
