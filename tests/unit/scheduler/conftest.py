"""Hosts for the scheduler's tests."""

from __future__ import annotations

import pytest

from nova_lite.model.host import Host, HostFacts
from nova_lite.model.ids import HostName
from nova_lite.model.resources import Resources


@pytest.fixture
def make_host():
    def make(name: str) -> Host:
        limit = Resources(vcpus=64, ram_mib=65536, disk_gib=1000)
        facts = HostFacts(
            hypervisor_type="QEMU",
            hypervisor_version=7002022,
            hypervisor_hostname=name,
            architectures=("x86_64",),
            total=limit,
        )
        return Host(
            name=HostName(name),
            uuid=name,
            facts=facts,
            limit=limit,
            used=Resources(),
            generation=1,
            incarnation=1,
            enabled=True,
            disabled_reason=None,
            forced_down=False,
            up=True,
            tombstones=0,
        )

    return make
