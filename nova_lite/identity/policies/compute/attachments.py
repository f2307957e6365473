"""Rules on what hangs on a server beside its parts, and on the actions that are not everyday ones."""

from __future__ import annotations

from oslo_policy import policy

from nova_lite.identity.policies.compute.rules import ADMIN, MANAGER, MEMBER, READER, rule

_SERVER = "/servers/{server_id}"
_ACTION = f"POST {_SERVER}/action"
_PORTS, _VOLUMES, _SHARES = f"{_SERVER}/os-interface", f"{_SERVER}/os-volume_attachments", f"{_SERVER}/shares"
_MIGRATIONS = f"{_SERVER}/migrations"

_ACTIONS = (
    rule("os-pause-server:pause", MEMBER, "Pause a server.", _ACTION),
    rule("os-pause-server:unpause", MEMBER, "Let a paused server go on.", _ACTION),
    rule("os-suspend-server:suspend", MEMBER, "Suspend a server to disk.", _ACTION),
    rule("os-suspend-server:resume", MEMBER, "Let a suspended server go on.", _ACTION),
    rule("os-rescue", MEMBER, "Boot a server to be mended.", _ACTION),
    rule("os-unrescue", MEMBER, "End the mending.", _ACTION),
    rule("os-shelve:shelve", MEMBER, "Shelve a server.", _ACTION),
    rule("os-shelve:unshelve", MEMBER, "Take a server from the shelf.", _ACTION),
    rule("os-shelve:unshelve_to_host", ADMIN, "Take a server from the shelf to a named host.", _ACTION),
    rule("os-shelve:shelve_offload", ADMIN, "Free the host of a shelved server.", _ACTION),
    rule("servers:resize", MEMBER, "Give a server another flavor.", _ACTION),
    rule("servers:confirm_resize", MEMBER, "Keep the new flavor.", _ACTION),
    rule("servers:revert_resize", MEMBER, "Return to the old flavor.", _ACTION),
    rule("servers:rebuild", MEMBER, "Make a server's disk anew from an image.", _ACTION),
    rule("servers:create_image", MEMBER, "Make an image of a server.", _ACTION),
    rule("servers:trigger_crash_dump", MEMBER, "Have a guest write its memory down.", _ACTION),
    rule("os-create-backup", MEMBER, "Make an image of a server, and delete the oldest ones.", _ACTION),
    rule("os-admin-password", MEMBER, "Change the password of a guest's administrator.", _ACTION),
    rule("os-admin-actions:inject_network_info", ADMIN, "Tell a guest its network anew.", _ACTION),
    rule("os-admin-actions:reset_state", ADMIN, "Set a server's state.", _ACTION),
    rule("os-deferred-delete:force", MEMBER, "Delete a server at once.", _ACTION),
    rule("os-deferred-delete:restore", MEMBER, "Get a softly deleted server back.", _ACTION),
    rule("os-migrate-server:migrate", MANAGER, "Move a server to another host.", _ACTION),
    rule("os-migrate-server:migrate:host", ADMIN, "Move a server to a named host.", _ACTION),
    rule("os-migrate-server:migrate_live", MANAGER, "Move a running server to another host.", _ACTION),
    rule("os-migrate-server:migrate_live:host", ADMIN, "Move a running server to a named host.", _ACTION),
    rule("os-evacuate", ADMIN, "Rebuild a server of a dead host on another.", _ACTION),
    rule("os-multinic:add", MEMBER, "Give a server a fixed address.", _ACTION),
    rule("os-multinic:remove", MEMBER, "Take a fixed address away.", _ACTION),
    rule("os-floating-ips:add", MEMBER, "Give a server a floating address.", _ACTION),
    rule("os-floating-ips:remove", MEMBER, "Take a floating address away.", _ACTION),
    rule("os-security-groups:add", MEMBER, "Add a security group to a server.", _ACTION),
    rule("os-security-groups:remove", MEMBER, "Take a security group from a server.", _ACTION),
)

RULES = (
    *_ACTIONS,
    policy.DocumentedRuleDefault(
        "compute:server:topology:index",
        READER,
        "Show a server's NUMA nodes.",
        [{"method": "GET", "path": f"{_SERVER}/topology"}],
    ),
    rule("os-server-diagnostics", ADMIN, "Show what a running guest uses.", f"GET {_SERVER}/diagnostics"),
    rule("os-security-groups:list", READER, "List a server's security groups.", f"GET {_SERVER}/os-security-groups"),
    rule("os-server-password:show", READER, "Show the password a guest made.", f"GET {_SERVER}/os-server-password"),
    rule("os-server-password:clear", MEMBER, "Forget that password.", f"DELETE {_SERVER}/os-server-password"),
    rule("os-remote-consoles", MEMBER, "Open a console.", f"POST {_SERVER}/remote-consoles"),
    rule("os-attach-interfaces:list", READER, "List a server's ports.", f"GET {_PORTS}"),
    rule("os-attach-interfaces:show", READER, "Show a port of a server.", f"GET {_PORTS}/{{port_id}}"),
    rule("os-attach-interfaces:create", MEMBER, "Give a server a port.", f"POST {_PORTS}"),
    rule("os-attach-interfaces:delete", MEMBER, "Take a port away.", f"DELETE {_PORTS}/{{port_id}}"),
    rule("os-volumes-attachments:index", READER, "List a server's volumes.", f"GET {_VOLUMES}"),
    rule("os-volumes-attachments:create", MEMBER, "Attach a volume.", f"POST {_VOLUMES}"),
    rule("os-volumes-attachments:show", READER, "Show an attached volume.", f"GET {_VOLUMES}/{{volume_id}}"),
    rule("os-volumes-attachments:update", MEMBER, "Change an attachment.", f"PUT {_VOLUMES}/{{volume_id}}"),
    rule("os-volumes-attachments:delete", MEMBER, "Detach a volume.", f"DELETE {_VOLUMES}/{{volume_id}}"),
    rule("servers:migrations:index", MANAGER, "List a server's migrations.", f"GET {_MIGRATIONS}"),
    rule("servers:migrations:show", ADMIN, "Show a migration.", f"GET {_MIGRATIONS}/{{migration_id}}"),
    rule("servers:migrations:delete", MANAGER, "Give a live migration up.", f"DELETE {_MIGRATIONS}/{{migration_id}}"),
    rule(
        "servers:migrations:force_complete",
        MANAGER,
        "Bring a live migration to its end.",
        f"POST {_MIGRATIONS}/{{migration_id}}/action",
    ),
    rule("os-server-shares:index", READER, "List a server's shares.", f"GET {_SHARES}"),
    rule("os-server-shares:create", MEMBER, "Attach a share.", f"POST {_SHARES}"),
    rule("os-server-shares:show", READER, "Show an attached share.", f"GET {_SHARES}/{{share_id}}"),
    rule("os-server-shares:delete", MEMBER, "Detach a share.", f"DELETE {_SHARES}/{{share_id}}"),
)
