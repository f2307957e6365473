"""What an image's properties say of how it is booted."""

from __future__ import annotations

import pytest

from nova_lite.model.image import boot_names


@pytest.mark.parametrize("kernel", [{}, {"kernel_id": ""}, {"kernel_id": "nokernel"}])
def test_without_a_kernel_nothing_else_counts(kernel):
    assert boot_names({**kernel, "ramdisk_id": "r", "os_command_line": "quiet"}) == {}


def test_what_is_empty_is_not_named():
    properties = {"kernel_id": "k", "ramdisk_id": "", "os_command_line": "", "hw_disk_bus": "scsi"}

    assert boot_names(properties) == {"kernel_id": "k"}
    assert boot_names({**properties, "ramdisk_id": "r", "os_command_line": "quiet"}) == {
        "kernel_id": "k",
        "ramdisk_id": "r",
        "os_command_line": "quiet",
    }
