"""Every workflow that this release runs. A row of the journal names one of these by name and version."""

from __future__ import annotations

from nova_lite.durable.workflow import Registry
from nova_lite.workflows.ask_guest import CHANGE_PASSWORD, INJECT_NETWORK_INFO, TRIGGER_CRASH_DUMP
from nova_lite.workflows.boot import BOOT
from nova_lite.workflows.boot_many import BOOT_MANY
from nova_lite.workflows.delete import DELETE, DELETE_RESIZED, SOFT_DELETE
from nova_lite.workflows.evacuate import EVACUATE
from nova_lite.workflows.fixed_ips import ADD_FIXED_IP, REMOVE_FIXED_IP
from nova_lite.workflows.import_image import IMPORT, IMPORT_CONVERTED
from nova_lite.workflows.interfaces import ATTACH_INTERFACE, DETACH_INTERFACE
from nova_lite.workflows.live_migrate import LIVE_MIGRATE
from nova_lite.workflows.power import PAUSE, REBOOT, REBOOT_HARD, RESUME, START, STOP, SUSPEND, UNPAUSE
from nova_lite.workflows.rebuild import REBUILD
from nova_lite.workflows.rescue import RESCUE, UNRESCUE
from nova_lite.workflows.resize import MIGRATE, RESIZE
from nova_lite.workflows.resized import CONFIRM, REVERT
from nova_lite.workflows.restore import RESTORE
from nova_lite.workflows.shelve import OFFLOAD, SHELVE
from nova_lite.workflows.snapshot import BACKUP, SNAPSHOT
from nova_lite.workflows.unshelve import POWER_UP, UNSHELVE

REGISTRY = Registry(
    (
        BOOT,
        BOOT_MANY,
        DELETE,
        DELETE_RESIZED,
        START,
        STOP,
        REBOOT,
        REBOOT_HARD,
        PAUSE,
        UNPAUSE,
        SUSPEND,
        RESUME,
        CHANGE_PASSWORD,
        TRIGGER_CRASH_DUMP,
        INJECT_NETWORK_INFO,
        ATTACH_INTERFACE,
        DETACH_INTERFACE,
        ADD_FIXED_IP,
        REMOVE_FIXED_IP,
        SOFT_DELETE,
        RESTORE,
        RESCUE,
        UNRESCUE,
        REBUILD,
        SNAPSHOT,
        BACKUP,
        SHELVE,
        OFFLOAD,
        POWER_UP,
        UNSHELVE,
        RESIZE,
        MIGRATE,
        CONFIRM,
        REVERT,
        EVACUATE,
        LIVE_MIGRATE,
        IMPORT,
        IMPORT_CONVERTED,
    )
)
