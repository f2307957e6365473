"""Names that the kernel takes, and that tell clouds and ports apart."""

from __future__ import annotations

import pytest

from nova_lite.compute.wiring import bridge, firewall


def test_a_taps_name_fits_and_differs_by_port():
    one = bridge.tap_name("0f3a9b2c-1d4e-4f5a-8b6c-7d8e9f0a1b2c")
    other = bridge.tap_name("0f3a9b2c-1d5e-4f5a-8b6c-7d8e9f0a1b2c")

    assert one == "nl0f3a9b2c1d4"
    assert one != other


@pytest.mark.parametrize("name", ["nova-lite0", "nova.lite0", "nova_lite0", "novalite0"])
def test_tables_are_named_by_letters_that_rules_take(name):
    assert firewall.table_name(name).replace("_", "").isalnum()


def test_bridges_with_similar_names_have_tables_of_their_own():
    names = {firewall.tables(name)[0] for name in ("nova-lite0", "nova.lite0", "novalite0")}

    assert len(names) == 3
