"""The URL table of the Compute API, continued: what hangs on a server, and the actions that are not everyday ones."""

from __future__ import annotations

from nova_lite.api import patience
from nova_lite.api.compute import (
    consoles,
    diagnostics,
    gone,
    guest_actions,
    interfaces,
    migrations,
    moves,
    security_groups,
    server_admin,
    server_images,
    server_password,
    server_renewal,
    server_shelving,
    volume_attachments,
)
from nova_lite.api.compute.guest_actions import simple
from nova_lite.api.compute.later_actions import later
from nova_lite.api.compute.schemas import attachments as schemas
from nova_lite.api.compute.schemas import later_actions as actions
from nova_lite.api.route import Route
from nova_lite.workflows import ask_guest, power, rescue

_RULE = "os_compute_api:"
_SERVER = "/servers/{server_id}"


def _r(method, path, handler, rule, **more) -> Route:  # type: ignore[no-untyped-def]
    return Route(method, path, handler, rule=_RULE + rule, **more)


def _action(name, handler, rule, body, **more) -> Route:  # type: ignore[no-untyped-def]
    return _r("POST", f"{_SERVER}/action", handler, rule, action=name, body=body, turn=patience.on_server, **more)


def _later(name, rule, body, **more) -> Route:  # type: ignore[no-untyped-def]
    return _action(name, later(name), rule, body, **more)


_ACTIONS = (
    _action("pause", simple("pause", power.accept_pause), "os-pause-server:pause", actions.PAUSE),
    _action("unpause", simple("unpause", power.accept_unpause), "os-pause-server:unpause", actions.UNPAUSE),
    _action("suspend", simple("suspend", power.accept_suspend), "os-suspend-server:suspend", actions.SUSPEND),
    _action("resume", simple("resume", power.accept_resume), "os-suspend-server:resume", actions.RESUME),
    _action("rescue", server_renewal.rescue, "os-rescue", actions.RESCUE),
    _action("unrescue", simple("unrescue", rescue.accept_unrescue), "os-unrescue", actions.UNRESCUE),
    _action("shelve", server_shelving.shelve, "os-shelve:shelve", actions.SHELVE),
    _action("shelveOffload", server_shelving.offload, "os-shelve:shelve_offload", actions.OFFLOAD),
    _action("unshelve", server_shelving.unshelve, "os-shelve:unshelve", actions.UNSHELVE),
    _action("resize", moves.resize, "servers:resize", actions.RESIZE),
    _action("confirmResize", moves.confirm, "servers:confirm_resize", actions.CONFIRM),
    _action("revertResize", moves.revert, "servers:revert_resize", actions.REVERT),
    _action("rebuild", server_renewal.rebuild, "servers:rebuild", actions.REBUILD),
    _action("createImage", server_images.create_image, "servers:create_image", actions.CREATE_IMAGE),
    _action("createBackup", server_images.create_backup, "os-create-backup", actions.CREATE_BACKUP),
    _action("changePassword", guest_actions.change_password, "os-admin-password", actions.CHANGE_PASSWORD),
    _action(
        "trigger_crash_dump",
        simple("trigger_crash_dump", ask_guest.accept_crash_dump),
        "servers:trigger_crash_dump",
        actions.CRASH_DUMP,
        min_version="2.17",
    ),
    _action(
        "injectNetworkInfo",
        simple("injectNetworkInfo", ask_guest.accept_network_info),
        "os-admin-actions:inject_network_info",
        actions.INJECT_NETWORK_INFO,
    ),
    _later("addSecurityGroup", "os-security-groups:add", actions.ADD_GROUP),
    _later("removeSecurityGroup", "os-security-groups:remove", actions.REMOVE_GROUP),
    _action("addFixedIp", interfaces.add_fixed_ip, "os-multinic:add", actions.ADD_FIXED_IP, max_version="2.43"),
    _action("removeFixedIp", interfaces.remove_fixed_ip, "os-multinic:remove", actions.REMOVE_FIXED_IP, max_version="2.43"),
    _later("addFloatingIp", "os-floating-ips:add", actions.ADD_FLOATING_IP, max_version="2.43"),
    _later("removeFloatingIp", "os-floating-ips:remove", actions.REMOVE_FLOATING_IP, max_version="2.43"),
    _action("migrate", moves.migrate, "os-migrate-server:migrate", actions.MIGRATE),
    _action("os-migrateLive", moves.migrate_live, "os-migrate-server:migrate_live", actions.MIGRATE_LIVE),
    _action("evacuate", moves.evacuate, "os-evacuate", actions.EVACUATE),
    _action("os-resetState", server_admin.reset_state, "os-admin-actions:reset_state", actions.RESET_STATE),
    _action("forceDelete", server_admin.force_delete, "os-deferred-delete:force", actions.FORCE_DELETE),
    _action("restore", server_admin.restore, "os-deferred-delete:restore", actions.RESTORE),
    _action("os-getVNCConsole", consoles.old_console, "os-remote-consoles", actions.VNC_CONSOLE, max_version="2.5", kept=False),
    _action(
        "os-getSPICEConsole", consoles.old_console, "os-remote-consoles", actions.SPICE_CONSOLE, max_version="2.5", kept=False
    ),
    _action(
        "os-getSerialConsole", consoles.old_console, "os-remote-consoles", actions.SERIAL_CONSOLE, max_version="2.5", kept=False
    ),
    Route("POST", f"{_SERVER}/action", gone.gone, action="os-getRDPConsole", body=actions.RDP_CONSOLE, max_version="2.5"),
    Route("POST", f"{_SERVER}/action", gone.gone, action="resetNetwork", body=actions.RESET_NETWORK),
)

_PORTS, _VOLUMES, _SHARES = f"{_SERVER}/os-interface", f"{_SERVER}/os-volume_attachments", f"{_SERVER}/shares"
_MIGRATIONS = f"{_SERVER}/migrations"
_PARTS = (
    _r("GET", f"{_SERVER}/diagnostics", diagnostics.show_diagnostics, "os-server-diagnostics"),
    _r("GET", f"{_SERVER}/os-security-groups", security_groups.list_of_server, "os-security-groups:list"),
    _r("GET", f"{_SERVER}/os-server-password", server_password.show_password, "os-server-password:show"),
    _r("DELETE", f"{_SERVER}/os-server-password", server_password.clear_password, "os-server-password:clear"),
    _r(
        "POST", f"{_SERVER}/remote-consoles", consoles.create_console, "os-remote-consoles",
        body=actions.REMOTE_CONSOLE, min_version="2.6", kept=False,
    ),
    _r("GET", _PORTS, interfaces.list_interfaces, "os-attach-interfaces:list"),
    _r("POST", _PORTS, interfaces.attach_interface, "os-attach-interfaces:create",
       body=schemas.ATTACH_INTERFACE, empty_ok=True, turn=patience.on_server),
    _r("GET", f"{_PORTS}/{{port_id}}", interfaces.show_interface, "os-attach-interfaces:show"),
    _r("DELETE", f"{_PORTS}/{{port_id}}", interfaces.detach_interface, "os-attach-interfaces:delete", turn=patience.on_server),
    _r("GET", _VOLUMES, volume_attachments.list_attachments, "os-volumes-attachments:index", query=schemas.ATTACHMENTS),
    _r("POST", _VOLUMES, volume_attachments.attach_volume, "os-volumes-attachments:create", body=schemas.ATTACH_VOLUME),
    _r("GET", f"{_VOLUMES}/{{volume_id}}", volume_attachments.show_attachment, "os-volumes-attachments:show"),
    _r(
        "PUT", f"{_VOLUMES}/{{volume_id}}", volume_attachments.change_attachment, "os-volumes-attachments:update",
        body=schemas.CHANGE_ATTACHMENT,
    ),
    _r("DELETE", f"{_VOLUMES}/{{volume_id}}", volume_attachments.detach_volume, "os-volumes-attachments:delete"),
    _r("GET", _MIGRATIONS, migrations.list_of_server, "servers:migrations:index", min_version="2.23"),
    _r(
        "GET", f"{_MIGRATIONS}/{{migration_id}}", migrations.show_of_server, "servers:migrations:show",
        min_version="2.23",
    ),
    _r(
        "DELETE", f"{_MIGRATIONS}/{{migration_id}}", migrations.abort, "servers:migrations:delete",
        min_version="2.24",
    ),
    _r(
        "POST", f"{_MIGRATIONS}/{{migration_id}}/action", migrations.force_complete, "servers:migrations:force_complete",
        action="force_complete", body=schemas.FORCE_COMPLETE, min_version="2.22",
    ),
    _r("GET", _SHARES, volume_attachments.list_shares, "os-server-shares:index", min_version="2.97"),
    _r(
        "POST", _SHARES, volume_attachments.attach_share, "os-server-shares:create",
        body=schemas.ATTACH_SHARE, min_version="2.97",
    ),
    _r("GET", f"{_SHARES}/{{share_id}}", volume_attachments.show_share, "os-server-shares:show", min_version="2.97"),
    _r("DELETE", f"{_SHARES}/{{share_id}}", volume_attachments.show_share, "os-server-shares:delete", min_version="2.97"),
    Route("GET", f"{_SERVER}/topology", diagnostics.show_topology, rule="compute:server:topology:index", min_version="2.78"),
)  # fmt: skip

ROUTES: tuple[Route, ...] = (*_ACTIONS, *_PARTS)
