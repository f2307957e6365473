"""Whether a machine was booted since its host was last welcomed."""

from __future__ import annotations

from unit.compute.test_monitor import Rig

from nova_lite.compute.boots import Boots
from nova_lite.rpc.conductor import Registration


def test_the_first_start_ever_is_no_boot(tmp_path):
    assert not Boots(tmp_path, lambda: "one").is_new()


def test_another_boot_is_new_until_it_is_noted(tmp_path):
    Boots(tmp_path, lambda: "one").note()
    two = Boots(tmp_path, lambda: "two")

    assert two.is_new() and two.is_new()
    two.note()
    assert not two.is_new()


def test_a_boot_that_cannot_be_noted_is_told_again(tmp_path, caplog):
    Boots(tmp_path, lambda: "one").note()
    (tmp_path / "boot").unlink()
    (tmp_path / "boot").mkdir()

    Boots(tmp_path, lambda: "two").note()

    assert "cannot be noted" in caplog.text


def test_a_host_says_with_each_registration_that_it_was_booted_until_it_is_welcomed(tmp_path):
    Boots(tmp_path, lambda: "one").note()
    rig = Rig(tmp_path, boots=Boots(tmp_path, lambda: "two"))

    rig.pass_time(3)
    said = [one.booted for one in rig.line.of(Registration)]
    rig.monitor.welcomed(rig.line.of(Registration)[-1].nonce, 1)
    rig.pass_time(1)
    rig.monitor.welcomed("", 0)  # a conductor asks to register again
    rig.pass_time(1)

    assert said == [True, True]
    assert not rig.line.of(Registration)[-1].booted
    assert len(rig.line.of(Registration)) == 3
