"""Every workflow that this release runs. A row of the journal names one of these by name and version."""

from __future__ import annotations

from nova_lite.durable.workflow import Registry
from nova_lite.workflows.boot import BOOT
from nova_lite.workflows.boot_many import BOOT_MANY
from nova_lite.workflows.delete import DELETE, DELETE_RESIZED
from nova_lite.workflows.evacuate import EVACUATE
from nova_lite.workflows.live_migrate import LIVE_MIGRATE
from nova_lite.workflows.power import REBOOT, REBOOT_HARD, START, STOP
from nova_lite.workflows.resize import MIGRATE, RESIZE
from nova_lite.workflows.resized import CONFIRM, REVERT

MOVES = (RESIZE, MIGRATE, CONFIRM, REVERT, EVACUATE, LIVE_MIGRATE)
REGISTRY = Registry((BOOT, BOOT_MANY, DELETE, DELETE_RESIZED, START, STOP, REBOOT, REBOOT_HARD, *MOVES))
