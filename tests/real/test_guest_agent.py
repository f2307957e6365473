"""A real guest with QEMU's own agent: passwords, file systems held still for snapshots, and agents that do not answer."""

from __future__ import annotations

import re
import time

import libvirt
import pytest
from real import agent_guest
from real.test_libvirt_driver import blank, libvirtd  # noqa: F401 - fixtures
from real.test_libvirt_snapshots import Hypervisor
from unit.compute.virt.driver_contract import ONE, TWO, go, powers
from unit.compute.virt.snapshot_contract import TARGET, Sink

from nova_lite.cli.guest_image import builder
from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.libvirt import agent, snapshots, states
from nova_lite.model.guest import PowerState
from nova_lite.model.hardware.guest import GuestHardware
from nova_lite.rpc.commands import Quiesce

pytestmark = [
    pytest.mark.libvirt,
    pytest.mark.slow,
    pytest.mark.long,
]  # its bounds of seconds want a machine that is not crowded
FREEZE, THAW = f"{agent_guest.HOOK} freeze", f"{agent_guest.HOOK} thaw"


@pytest.fixture(scope="module")
def booted(libvirtd):  # noqa: F811
    """Boots once: an emulated guest takes half a minute."""
    hypervisor = Hypervisor(libvirtd, builder.ensure().disk)
    try:
        wanted = hypervisor.spec(ONE, config_drive=True, user_data=agent_guest.user_data())
        hypervisor.driver.ensure_guest(wanted, go())
        hypervisor.wait_for_console(ONE, agent_guest.READY)
        yield hypervisor
    finally:
        hypervisor.close()


@pytest.fixture
def hypervisor(booted):
    """The host, its guest's agent answering before and after each test."""
    agent_guest.wait_for_answer(booted.domain(ONE))
    yield booted
    booted.driver.snapshots.release(ONE)
    domain = booted.domain(ONE)
    agent_guest.bring_back_agent(domain)
    agent_guest.ask(domain, "guest-fsfreeze-thaw")
    agent_guest.run(domain, "rm -f /run/slow-*")


def refusal(act):
    """Give the code of what an act raises, and the seconds until then."""
    began = time.monotonic()
    with pytest.raises(VirtError) as caught:
        act()
    assert not caught.value.host_at_fault
    return caught.value.code, time.monotonic() - began


def hooks(hypervisor):
    """List what the agent's hook said so far."""
    return re.findall(f"{agent_guest.HOOK} \\w+", hypervisor.console(ONE))


def hooks_after(hypervisor, before):
    """List what it said since; the console shows it a moment late."""
    until = time.monotonic() + 10
    while THAW not in hooks(hypervisor)[len(before) :] and time.monotonic() < until:
        time.sleep(0.2)
    return hooks(hypervisor)[len(before) :]


def is_thawed(hypervisor):
    """Whether the agent says so, and the guest can write."""
    domain = hypervisor.domain(ONE)
    if agent_guest.ask(domain, "guest-fsfreeze-status") != "thawed":
        return False
    return agent_guest.run(domain, "echo wrote > /var/written && sync && cat /var/written") == "wrote\n"


def test_the_agent_sets_the_administrators_password(hypervisor):
    domain = hypervisor.domain(ONE)

    hypervisor.driver.states.set_password(ONE, None, "new: w\u00f6rd")

    kept = agent_guest.run(domain, "grep ^root: /etc/shadow").split(":")[1]
    salt = kept.split("$")[2]
    assert kept == agent_guest.run(domain, f"mkpasswd -m sha512 -S '{salt}' 'new: w\u00f6rd'").strip()


def test_a_password_that_the_agent_refuses_is_not_repeated(hypervisor):
    with pytest.raises(VirtError) as caught:
        hypervisor.driver.states.set_password(ONE, None, "two\nlines")

    assert (caught.value.code, caught.value.host_at_fault) == ("password", False)
    assert "lines" not in str(caught.value) and caught.value.__suppress_context__


@pytest.mark.parametrize(("signal", "most_s"), [("TERM", 5), ("STOP", 30)], ids=["ended", "deaf"])
def test_an_agent_that_is_gone_or_deaf_is_told_soon(hypervisor, signal, most_s):
    domain = hypervisor.domain(ONE)
    agent_guest.signal_agent(domain, signal)
    wait_until_silent(domain)

    password, password_s = refusal(lambda: hypervisor.driver.states.set_password(ONE, None, "word"))
    quiesce, quiesce_s = refusal(lambda: hypervisor.driver.snapshots.take(ONE, Quiesce.MUST, go()))

    assert (password, quiesce) == ("no_agent", "quiesce")
    assert password_s < most_s and quiesce_s < most_s
    assert not hypervisor.held(ONE)


def wait_until_silent(domain):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            agent_guest.ping(domain, 1)
        except libvirt.libvirtError:
            return
        time.sleep(0.2)
    raise AssertionError("the agent still answers")


def test_who_may_go_without_the_agent_does(hypervisor):
    domain = hypervisor.domain(ONE)
    agent_guest.signal_agent(domain, "TERM")
    wait_until_silent(domain)

    hypervisor.driver.snapshots.take(ONE, Quiesce.TRY, go())

    assert hypervisor.held(ONE) == ["snapshot.scratch"]


def test_a_guest_without_the_channel_has_no_agent(libvirtd, blank):  # noqa: F811
    hypervisor = Hypervisor(libvirtd, blank)
    try:
        hypervisor.driver.ensure_guest(hypervisor.spec(TWO, hardware=GuestHardware(guest_agent=False)), go())

        password, _ = refusal(lambda: hypervisor.driver.states.set_password(TWO, None, "word"))
        quiesce, _ = refusal(lambda: hypervisor.driver.snapshots.take(TWO, Quiesce.MUST, go()))

        assert (password, quiesce) == ("no_agent", "quiesce")
    finally:
        hypervisor.close()


def test_a_guest_that_takes_the_password_and_says_nothing_holds_nothing_up(hypervisor, monkeypatch):
    monkeypatch.setattr(states, "ANSWER_S", 2)
    agent_guest.run(hypervisor.domain(ONE), "echo 9 > /run/slow-password")

    code, seconds = refusal(lambda: hypervisor.driver.states.set_password(ONE, None, "late"))

    assert (code, seconds < 9) == ("no_agent", True)
    assert powers(hypervisor.driver) == {ONE: PowerState.RUNNING}


def test_a_snapshot_is_taken_while_the_file_system_is_held_still(hypervisor, tmp_path):
    driver = hypervisor.driver
    before, sink = hooks(hypervisor), Sink(driver)
    driver.snapshots.take(ONE, Quiesce.NO, go())
    driver.snapshots.upload(ONE, TARGET, Quiesce.NO, go())
    untold = hooks(hypervisor)[len(before) :]

    driver.snapshots.take(ONE, Quiesce.MUST, go())
    thawed = is_thawed(hypervisor)  # while the disk is held
    driver.snapshots.upload(ONE, TARGET, Quiesce.MUST, go())

    assert (untold, hooks_after(hypervisor, before)) == ([], [FREEZE, THAW])
    assert thawed
    assert [agent_guest.was_written_to(image, tmp_path) for image in sink.images] == [True, False]


def test_a_snapshot_that_fails_while_the_file_system_is_held_lets_it_go(hypervisor):
    before, domain = hooks(hypervisor), hypervisor.domain(ONE)
    (folder,) = (hypervisor.libvirtd.root / "lib/qemu").glob(f"domain-{domain.ID()}-*")
    in_the_way = folder / snapshots.SOCKET
    in_the_way.mkdir()  # QEMU can make no socket there
    try:
        with pytest.raises(VirtError):
            hypervisor.driver.snapshots.take(ONE, Quiesce.MUST, go())
    finally:
        in_the_way.rmdir()

    assert hooks_after(hypervisor, before) == [FREEZE, THAW]
    assert is_thawed(hypervisor) and not hypervisor.held(ONE)


def test_an_agent_that_holds_still_too_late_is_made_to_let_go(hypervisor, monkeypatch):
    monkeypatch.setattr(agent, "FREEZE_S", 3)
    before = hooks(hypervisor)
    agent_guest.run(hypervisor.domain(ONE), "echo 7 > /run/slow-freeze")

    code, seconds = refusal(lambda: hypervisor.driver.snapshots.take(ONE, Quiesce.MUST, go()))

    assert (code, seconds < 30) == ("quiesce", True)
    assert hooks_after(hypervisor, before) == [FREEZE, THAW]
    assert is_thawed(hypervisor) and not hypervisor.held(ONE)


@pytest.mark.parametrize("then", ["take", "release"])
def test_what_a_daemon_left_frozen_when_it_died_is_let_go_by_the_next(hypervisor, monkeypatch, then):
    with monkeypatch.context() as dying:
        dying.setattr(agent, "thaw", lambda *_: False)
        hypervisor.driver.snapshots.take(ONE, Quiesce.MUST, go())
    before = agent_guest.ask(hypervisor.domain(ONE), "guest-fsfreeze-status")

    later = hypervisor.again().snapshots
    if then == "take":
        later.take(ONE, Quiesce.MUST, go())
    else:
        later.release(ONE)

    assert before == "frozen"
    assert is_thawed(hypervisor)
    assert bool(hypervisor.held(ONE)) == (then == "take")
