"""What a cloud leaves in its machine's networks."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.cli import checks, leftovers
from nova_lite.cli.installation import Installation
from nova_lite.compute.wiring.host import HostWiring
from nova_lite.compute.wiring.notes import Notes, Plugged
from nova_lite.compute.wiring.port import WiringError
from nova_lite.model.guest import GuestInterface
from nova_lite.model.ids import NetworkId, PortId, ServerId

SERVER = ServerId("00000001-5555-4000-8000-000000000000")
INTERFACE = GuestInterface(
    port_id=PortId("00000001-0000-4000-8000-000000000000"),
    network_id=NetworkId("11111111-0000-4000-8000-000000000000"),
    bridge="nltest0",
    mac_address="fa:16:3e:00:00:01",
    ip_address="10.99.0.9",
    prefix_length=24,
    gateway_ip="10.99.0.1",
)


@pytest.fixture
def installation(tmp_path):
    configuration = tmp_path / "nova-lite.conf"
    configuration.write_text(f"[DEFAULT]\nstate_dir={tmp_path}/state\nrun_dir={tmp_path}/run\nlog_dir={tmp_path}/log\n")
    (tmp_path / "state" / "compute" / "h1" / "guests").mkdir(parents=True)
    return Installation((configuration,))


@pytest.fixture
def host_folder(installation):
    return installation.daemon.state_dir / "compute" / "h1"


def test_everything_that_a_hosts_folder_knows_of_is_removed(installation, host_folder, monkeypatch):
    monkeypatch.setattr(HostWiring, "remove_all", lambda wiring: ("link nova-lite0", "dnsmasq 7"))
    (host_folder.parent / "h2").mkdir()

    assert leftovers.remove_wiring(installation) == 4


def test_tools_that_do_not_work_are_told_of(installation, monkeypatch):
    def fail(wiring: HostWiring) -> tuple[str, ...]:
        raise WiringError("ip could not be run or did not end in time.")

    monkeypatch.setattr(HostWiring, "remove_all", fail)

    with pytest.raises(errors.Unavailable, match="ip could not be run"):
        leftovers.remove_wiring(installation)


@pytest.mark.parametrize(("known", "there", "found"), [(True, True, 0), (False, True, 1), (False, False, 0)])
def test_doctor_names_a_tap_whose_server_the_host_does_not_have(
    installation, host_folder, tmp_path, monkeypatch, known, there, found
):
    links = tmp_path / "links"
    (links / ("nl000000010000" if there else "lo")).mkdir(parents=True)
    monkeypatch.setattr(leftovers, "LINKS", links)
    Notes(host_folder / "wiring").add(SERVER, Plugged(tap="nl000000010000", interface=INTERFACE))
    if known:
        (host_folder / "guests" / f"{SERVER}.json").write_text("{}")

    findings = list(checks.taps(installation))

    assert len(findings) == found
    assert all("nl000000010000" in finding.problem for finding in findings)
