"""What a flavor's servers use of a host."""

from __future__ import annotations

import pytest

from nova_lite.model.flavor import Flavor
from nova_lite.model.resources import Resources


@pytest.mark.parametrize(
    ("specs", "expected"),
    [
        ({}, Resources(vcpus=2, ram_mib=512, disk_gib=4)),
        ({"resources:VCPU": "0"}, Resources(vcpus=0, ram_mib=512, disk_gib=4)),
        ({"resources:MEMORY_MB": "64", "resources:DISK_GB": "1"}, Resources(vcpus=2, ram_mib=64, disk_gib=1)),
        ({"resources1:VCPU": "3", "resources_A:VCPU": "1"}, Resources(vcpus=6, ram_mib=512, disk_gib=4)),
        ({"resources:VCPU": "many", "resources:DISK_GB": "-1"}, Resources(vcpus=2, ram_mib=512, disk_gib=4)),
        ({"resources:VCPU": "9" * 30}, Resources(vcpus=2, ram_mib=512, disk_gib=4)),
        ({"hw:cpu_policy": "shared"}, Resources(vcpus=2, ram_mib=512, disk_gib=4)),
    ],
)
def test_extra_specs_may_ask_for_other_amounts(specs, expected):
    flavor = Flavor(id="1", name="f", vcpus=2, ram_mib=512, disk_gib=2, ephemeral_gib=1, swap_mib=100, extra_specs=specs)

    assert flavor.resources() == expected
