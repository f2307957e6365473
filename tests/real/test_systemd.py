"""The units under a real systemd: in a container, RabbitMQ inside, compute on the fake hypervisor."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from real import container

TOP = Path(__file__).parents[2]
UNITS = sorted((TOP / "etc/systemd").glob("*.service"))
DAEMONS = ("conductor", "scheduler", "compute", "console", "api")
NAMES = [f"nova-lite-{kind}" for kind in DAEMONS]


@pytest.fixture(scope="module")
def machine():
    with container.booted() as machine:
        configuration = machine.root / "etc/nova-lite/nova-lite.conf"
        configuration.parent.mkdir()
        configuration.write_text("[compute]\ndriver = fake\n")
        machine.until("systemctl", "is-active", "rabbitmq-server", says="active")
        machine.run("nova-lite", "up")
        yield machine


def state_of(machine, name, *properties):
    shown = machine.run("systemctl", "show", "--property", ",".join(properties), name)
    return dict(line.split("=", 1) for line in shown.splitlines())


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_is_clean_by_systemds_own_check(unit, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for path in (TOP / "etc/systemd").glob("*.*"):  # the programs are not on this machine's disk; the rest is as it is
        text = path.read_text().replace("/opt/nova-lite/bin/" + path.stem, "/bin/true")
        (tmp_path / path.name).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.systemd
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_unit_is_active_with_a_watchdog_and_its_own_user(machine, name):
    state = state_of(machine, name, "ActiveState", "SubState", "Type", "WatchdogUSec", "User", "NRestarts")

    assert (state["ActiveState"], state["SubState"], state["Type"]) == ("active", "running", "notify")
    assert state["WatchdogUSec"] not in ("0", "infinity")
    assert state["User"] == ("root" if name == "nova-lite-compute" else "nova-lite")


@pytest.mark.systemd
def test_status_and_doctor_find_nothing_wrong(machine):
    status = json.loads(machine.run("nova-lite", "status", "--json"))
    findings = json.loads(machine.run("nova-lite", "doctor", "--json"))

    assert status["well"]
    assert [daemon["state"] for daemon in status["daemons"]] == ["running"] * len(NAMES)
    assert findings == []


@pytest.mark.systemd
def test_control_daemons_have_no_capability(machine):
    for name in set(NAMES) - {"nova-lite-compute"}:
        pid = state_of(machine, name, "MainPID")["MainPID"]
        lines = machine.run("cat", f"/proc/{pid}/status").splitlines()

        assert [line.split()[1] for line in lines if line.startswith("CapEff")] == ["0000000000000000"]
        assert [line.split()[1] for line in lines if line.startswith("NoNewPrivs")] == ["1"]


@pytest.mark.systemd
@pytest.mark.parametrize("name", NAMES)
def test_killed_daemon_is_started_again(machine, name):
    before = state_of(machine, name, "MainPID")["MainPID"]

    machine.run("kill", "-KILL", before)
    machine.until(
        "sh", "-c", f"test $(systemctl show -P MainPID {name}) -gt 0 && test $(systemctl show -P MainPID {name}) != {before}"
    )
    machine.until("systemctl", "is-active", name, says="active")

    assert state_of(machine, name, "Result")["Result"] == "success"


@pytest.mark.systemd
def test_up_on_a_running_cloud_changes_nothing(machine):
    pids = [state_of(machine, name, "MainPID") for name in NAMES]

    machine.run("nova-lite", "up")

    assert [state_of(machine, name, "MainPID") for name in NAMES] == pids


@pytest.mark.systemd
def test_daemons_stop_in_order_and_leave_no_unit(machine):
    machine.run("nova-lite", "down", "--purge")

    journal = machine.run("journalctl", "--no-pager", "--output", "cat", "--identifier", "systemd")
    last = {name: journal.rfind(f"Stopped {name}.service") for name in NAMES}
    left = machine.run("systemctl", "list-units", "--all", "--no-legend", "nova-lite*")

    assert last["nova-lite-api"] < last["nova-lite-conductor"]
    assert min(last.values()) > 0
    assert "nova-lite-" not in left
    assert not (machine.root / "var/lib/nova-lite").exists()
