"""Keeps the daemons running under the `supervisor` package, for machines whose PID 1 is not systemd."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from nova_lite import errors
from nova_lite.cli.daemons import ORDER, Program, Running
from nova_lite.conf.daemon import DaemonOptions

START_S = 15
STOP_S = 60
STATES = {"RUNNING": "running", "STARTING": "starting", "BACKOFF": "failed", "FATAL": "failed", "EXITED": "failed"}
HEADER = """; Written by `nova-lite up`; changes here are lost.
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={log_dir}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
pidfile={run_dir}/supervisord.pid
childlogdir={log_dir}
silent=true
minfds=4096

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
PROGRAM = """
[program:{name}]
command={command}
environment={environment}
priority={priority}
autostart=true
autorestart=true
startsecs=1
startretries=1000000
stopsignal=TERM
stopwaitsecs=30
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={log_dir}/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=3
"""


class Supervised:
    """A supervisord with a socket that only root can use."""

    def __init__(self, options: DaemonOptions) -> None:
        """Its socket and configuration are in the run folder, the logs in the log folder."""
        self.run_dir = options.run_dir
        self.log_dir = options.log_dir
        self.socket = options.run_dir / "supervisor.sock"
        self.configuration = options.run_dir / "supervisord.conf"

    def start(self, programs: Sequence[Program]) -> bool:
        """Have exactly these programs running; those that run unchanged are left alone. Give whether one was started."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.log_dir.mkdir(parents=True, exist_ok=True)
        self._write(programs)
        remote = self._remote()
        if remote is None:
            self._launch()
            return True
        return self._change(remote)

    def _write(self, programs: Sequence[Program]) -> None:
        text = HEADER.format(socket=self.socket, log_dir=self.log_dir, run_dir=self.run_dir)
        for program in programs:
            environment = {"PATH": f"{Path(sys.prefix) / 'bin'}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"}
            environment |= dict(program.environment)
            text += PROGRAM.format(
                name=program.name,
                command=_escaped(shlex.join(program.command)),
                environment=",".join(f'{key}="{_escaped(value)}"' for key, value in environment.items()),
                priority=(ORDER.index(program.kind) + 1) * 100,
                log_dir=self.log_dir,
            )
        self.configuration.write_text(text, encoding="utf-8")
        self.configuration.chmod(0o600)

    def _launch(self) -> None:
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.configuration)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=START_S, check=False, cwd="/")
        if done.returncode != 0:
            raise errors.Unavailable(f"The supervisor did not start: {(done.stderr or done.stdout).strip()[-300:]}")
        deadline = time.monotonic() + START_S
        while self._remote() is None:
            if time.monotonic() > deadline:
                raise errors.Unavailable(f"The supervisor does not answer; see {self.log_dir}/supervisord.log")
            time.sleep(0.05)

    def _change(self, remote: Any) -> bool:
        """Bring a running supervisor to the written configuration; start what had been stopped."""
        added, changed, removed = remote.reloadConfig()[0]
        for name in (*removed, *changed):
            remote.stopProcessGroup(name, True)
            remote.removeProcessGroup(name)
        for name in (*added, *changed):
            remote.addProcessGroup(name)
        stopped = [info["name"] for info in remote.getAllProcessInfo() if info["statename"] in ("STOPPED", "FATAL", "EXITED")]
        for name in stopped:
            remote.startProcess(name, False)
        return bool(added or changed or stopped)

    def stop(self) -> int:
        """Stop all programs in order and the supervisor; give how many ran. May be repeated."""
        remote = self._remote()
        if remote is None:
            self._forget()
            return 0
        count = sum(info["statename"] == "RUNNING" for info in remote.getAllProcessInfo())
        pid = remote.getPID()
        remote.shutdown()  # stops by priority, the last started first
        deadline = time.monotonic() + STOP_S
        while Path(f"/proc/{pid}").exists() and not _is_zombie(pid):
            if time.monotonic() > deadline:
                raise errors.Unavailable(f"The supervisor (process {pid}) did not stop within {STOP_S} s.")
            time.sleep(0.05)
        self._forget()
        return count

    def _forget(self) -> None:
        for path in (self.socket, self.configuration, self.run_dir / "supervisord.pid"):
            path.unlink(missing_ok=True)

    def list_running(self) -> tuple[Running, ...]:
        """Say how each program fares; nothing when no supervisor runs."""
        remote = self._remote()
        if remote is None:
            return ()
        return tuple(_running(info) for info in remote.getAllProcessInfo())

    def log_of(self, name: str) -> list[str]:
        """Give the last lines that a program wrote."""
        path = self.log_dir / f"{name}.log"
        if not path.exists():
            return []
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]

    def _remote(self) -> Any:
        """Give a connection to the running supervisor, or None."""
        if not self.socket.exists():
            return None
        transport = SupervisorTransport(None, None, serverurl=f"unix://{self.socket}")
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        try:
            proxy.supervisor.getState()
        except (OSError, xmlrpc.client.Error):
            return None
        return proxy.supervisor


def _running(info: dict[str, Any]) -> Running:
    state = STATES.get(info["statename"], "stopped")
    return Running(
        name=info["name"],
        state=state,
        pid=info["pid"] or None,
        since_s=float(info["now"] - info["start"]) if state == "running" else None,
        detail=info["spawnerr"] or "",
    )


def _escaped(text: str) -> str:
    """Protect what supervisor would expand in its configuration."""
    return text.replace("%", "%%")


def _is_zombie(pid: int) -> bool:
    """Whether a process ended but was not collected, as happens where PID 1 collects late."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False
