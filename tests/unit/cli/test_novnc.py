"""noVNC's scripts: found, fetched, or said to be missing."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from nova_lite import errors
from nova_lite.cli import checks, novnc
from nova_lite.console.site import Site, folders_of


def package(folder, name):
    """Play apt-get and dpkg-deb: a package with more in it than is wanted."""

    def run(*command, cwd=None, timeout_s=0.0):
        if command[0] == "apt-get":
            assert command[-1] == "novnc"
            (cwd / name).write_text("package")
            return b""
        share = Path(command[-1]) / "usr/share/novnc"
        for path in ("core/rfb.js", "core/util/browser.js", "vendor/pako/inflate.js", "app/ui.js", "utils/novnc_proxy"):
            (share / path).parent.mkdir(parents=True, exist_ok=True)
            (share / path).write_text(path)
        (share / "core/rfb.js").chmod(0o600)
        return b""

    return run


def test_what_is_installed_is_taken(tmp_path, monkeypatch):
    (tmp_path / "debian/core").mkdir(parents=True)
    (tmp_path / "debian/core/rfb.js").write_text("")
    monkeypatch.setattr(novnc, "run", None)  # nothing is fetched

    assert novnc.ensure(tmp_path / "state", tmp_path / "debian") == str(tmp_path / "debian")


def test_the_scripts_alone_are_unpacked_readable_and_once(tmp_path, monkeypatch):
    monkeypatch.setattr(novnc, "run", package(tmp_path, "novnc_1.deb"))

    said = novnc.ensure(tmp_path, tmp_path / "none")
    monkeypatch.setattr(novnc, "run", None)
    again = novnc.ensure(tmp_path, tmp_path / "none")

    assert said == f"{tmp_path}/novnc, unpacked" and again == f"{tmp_path}/novnc"
    assert sorted(path.name for path in (tmp_path / "novnc").iterdir()) == ["core", "vendor"]
    assert (tmp_path / "novnc/core/rfb.js").stat().st_mode & 0o777 == 0o644
    assert Site(folders_of(tmp_path)).find("/novnc/core/rfb.js").status == 200
    assert not list(tmp_path.glob(".novnc-*"))


def test_a_machine_without_the_archive_gets_a_cloud_without_pictures(tmp_path, monkeypatch):
    def fails(*command, **options):
        raise errors.Unavailable("apt-get failed: no network")

    monkeypatch.setattr(novnc, "run", fails)

    assert "no pictures: apt-get failed: no network" in novnc.ensure(tmp_path, tmp_path / "none")
    assert not (tmp_path / "novnc").exists()


@pytest.mark.parametrize(("running", "found"), [(("nova-lite-console",), 1), (("nova-lite-api",), 0), ((), 0)])
def test_the_doctor_misses_them_where_the_console_daemon_runs(tmp_path, monkeypatch, running, found):
    keeper = types.SimpleNamespace(list_running=lambda: [types.SimpleNamespace(name=name) for name in running])
    monkeypatch.setattr(checks, "keeper_of", lambda installation: keeper)
    monkeypatch.setattr(novnc, "is_there", lambda state_dir: state_dir != tmp_path)
    installation = types.SimpleNamespace(daemon=types.SimpleNamespace(state_dir=tmp_path))

    assert len(list(checks.consoles(installation))) == found
