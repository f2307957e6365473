"""Keeps the daemons running as systemd's units, made of those in etc/systemd."""

from __future__ import annotations

import re
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from pathlib import Path

import nova_lite
from nova_lite import errors
from nova_lite.cli.daemons import ORDER, Program, Running
from nova_lite.conf.daemon import DaemonOptions

CTL_S = 120
UNITS = Path("/etc/systemd/system")
SYSUSERS = Path("/etc/sysusers.d/nova-lite.conf")
TMPFILES = Path("/etc/tmpfiles.d/nova-lite.conf")
TARGET = "nova-lite.target"
USER = "nova-lite"
STATES = {"active": "running", "activating": "starting", "reloading": "running", "failed": "failed"}
CONTROL_FILES = ("keys", "images", "nova-lite.db", "nova-lite.db-wal", "nova-lite.db-shm")


class Units:
    """The units of this machine's own cloud."""

    def __init__(self, options: DaemonOptions, folder: Path = UNITS) -> None:
        """`folder` is where units of an administrator are."""
        self.options = options
        self.folder = folder

    def start(self, programs: Sequence[Program]) -> bool:
        """Have exactly these programs running; those that run unchanged are left alone. Give whether one was started."""
        self._make_user()
        changed = [program.name for program in programs if self._write(program)]
        changed_target = _replace(self.folder / TARGET, (_source() / TARGET).read_text(encoding="utf-8"))
        names = [program.name for program in sorted(programs, key=lambda program: ORDER.index(program.kind))]
        for name in set(self._names()) - set(names):
            self._remove(name)
        if changed or changed_target:
            _ctl("daemon-reload")
        idle = [one.name for one in self.list_running() if one.state not in ("running", "starting")]
        if changed or idle:
            _ctl("enable", "--quiet", TARGET, *names)
            _ctl("reset-failed", *names, must_work=False)
            _ctl("restart", "--no-block", *(name for name in names if name in {*changed, *idle}))
        return bool(changed or idle)

    def stop(self) -> int:
        """Stop all programs in order and take their units away; give how many ran. May be repeated."""
        running = [one.name for one in self.list_running() if one.state == "running"]
        for name in sorted(self._names(), key=_place, reverse=True):
            self._remove(name)
        if (self.folder / TARGET).exists():
            _ctl("disable", "--quiet", "--now", TARGET, must_work=False)
            (self.folder / TARGET).unlink()
        for path in (SYSUSERS, TMPFILES):
            path.unlink(missing_ok=True)
        _ctl("daemon-reload")
        return len(running)

    def list_running(self) -> tuple[Running, ...]:
        """Say how each program fares."""
        names = self._names()
        if not names:
            return ()
        wanted = "Id,ActiveState,MainPID,ActiveEnterTimestampMonotonic,Result"
        blocks = _ctl("show", "--property", wanted, *names).strip().split("\n\n")
        return tuple(_running(dict(line.split("=", 1) for line in block.splitlines())) for block in blocks)

    def log_of(self, name: str) -> list[str]:
        """Give the last lines that a program wrote to the journal."""
        command = ["journalctl", "--unit", name, "--lines", "20", "--no-pager", "--output", "cat"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CTL_S, check=False)
        return done.stdout.splitlines()

    def _names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("nova-lite-*.service"))

    def _write(self, program: Program) -> bool:
        text = (_source() / f"nova-lite-{program.kind}.service").read_text(encoding="utf-8")
        text = re.sub(r"^ExecStart=.*$", f"ExecStart={' '.join(program.command)}", text, flags=re.MULTILINE)
        lines = "\n".join(f'Environment="{name}={value}"' for name, value in program.environment)
        return _replace(self.folder / f"{program.name}.service", text.replace("[Install]", f"{lines}\n\n[Install]".lstrip()))

    def _remove(self, name: str) -> None:
        _ctl("disable", "--quiet", "--now", name, must_work=False)
        (self.folder / f"{name}.service").unlink(missing_ok=True)

    def _make_user(self) -> None:
        """Make the daemons' user and folders, and hand over what `up` wrote as root."""
        for source, place in (("nova-lite-sysusers.conf", SYSUSERS), ("nova-lite-tmpfiles.conf", TMPFILES)):
            _replace(place, (_source() / source).read_text(encoding="utf-8"))
        _run("systemd-sysusers", str(SYSUSERS))
        _run("systemd-tmpfiles", "--create", str(TMPFILES))
        present = [str(path) for name in CONTROL_FILES if (path := self.options.state_dir / name).exists()]
        _run("chown", "-R", f"{USER}:{USER}", *present)


def _source() -> Path:
    """Give the folder of the units: installed beside the product, or in the checkout."""
    checkout = Path(nova_lite.__file__).resolve().parents[1] / "etc/systemd"
    return checkout if checkout.is_dir() else Path(sysconfig.get_path("data")) / "share/nova-lite/systemd"


def _replace(path: Path, text: str) -> bool:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return True


def _place(name: str) -> int:
    return next((place for place, kind in enumerate(ORDER) if name == f"nova-lite-{kind}"), ORDER.index("compute"))


def _running(shown: dict[str, str]) -> Running:
    state = STATES.get(shown["ActiveState"], "stopped")
    since = int(shown["ActiveEnterTimestampMonotonic"]) / 1e6
    return Running(
        name=shown["Id"].removesuffix(".service"),
        state=state,
        pid=int(shown["MainPID"]) or None,
        since_s=time.clock_gettime(time.CLOCK_MONOTONIC) - since if state == "running" else None,
        detail="" if shown["Result"] == "success" else shown["Result"],
    )


def _ctl(*arguments: str, must_work: bool = True) -> str:
    return _run("systemctl", *arguments, must_work=must_work)


def _run(*command: str, must_work: bool = True) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CTL_S, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise errors.Unavailable(f"{' '.join(command)}: {error}") from error
    if done.returncode != 0 and must_work:
        raise errors.Unavailable(f"{' '.join(command)} failed: {done.stderr.strip()[-300:]}")
    return done.stdout
