"""Every workflow that this release runs. A row of the journal names one of these by name and version."""

from __future__ import annotations

from nova_lite.durable.workflow import Registry
from nova_lite.workflows.boot import BOOT
from nova_lite.workflows.boot_many import BOOT_MANY
from nova_lite.workflows.delete import DELETE
from nova_lite.workflows.import_image import IMPORT
from nova_lite.workflows.power import REBOOT, REBOOT_HARD, START, STOP

REGISTRY = Registry((BOOT, BOOT_MANY, DELETE, START, STOP, REBOOT, REBOOT_HARD, IMPORT))
