"""RabbitMQ and libvirt of this machine: started when they do not run, and stopped again only by who started them."""

from __future__ import annotations

import grp
import os
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from nova_lite import errors
from nova_lite.cli.daemons import systemd_runs
from nova_lite.cli.footprint import Footprint

STARTED = "started"  # the footprint's kind for services that `up` started
OPENED = "opened"  # and for devices whose mode it changed
KVM, KVM_GROUP = Path("/dev/kvm"), "kvm"
RABBITMQ, EPMD, LIBVIRT, VIRTLOGD = "rabbitmq-server", "epmd", "libvirtd", "virtlogd"
EPMD_ADDRESS = ("127.0.0.1", 4369)  # Erlang's name service, which RabbitMQ starts and leaves running
START_S = 90
LIBVIRT_SOCKET = Path("/run/libvirt/libvirt-sock")
VIRTLOGD_SOCKET = Path("/run/libvirt/virtlogd-sock")
PIDS = {LIBVIRT: Path("/run/libvirtd.pid"), VIRTLOGD: Path("/run/virtlogd.pid")}


def address_of(url: str) -> tuple[str, int]:
    """Give host and port of the first broker that a URL names; without a URL, where Debian's listens."""
    first = urllib.parse.urlsplit(url.split(",", maxsplit=1)[0])
    return first.hostname or "127.0.0.1", first.port or (5671 if first.scheme == "amqps" else 5672)


def ensure_rabbitmq(address: tuple[str, int], footprint: Footprint) -> str:
    """Have the broker answer at `address`; one on another machine is only looked at. Give a word on what was done.

    Raises: Unavailable when it does not answer in time.
    """
    host, port = address
    if _answers(host, port):
        return "runs"
    if not _is_here(host):
        raise errors.Unavailable(f"The broker at {host}:{port} does not answer.")
    _must_have(RABBITMQ, "/usr/sbin/rabbitmq-server")
    if not systemd_runs() and not _connects(EPMD_ADDRESS):
        footprint.add(STARTED, EPMD)
    footprint.add(STARTED, RABBITMQ)
    if systemd_runs():
        _run("systemctl", "start", "rabbitmq-server")
    else:
        _run("/usr/sbin/rabbitmq-server", "-detached", RABBITMQ_NODE_IP_ADDRESS="127.0.0.1")
    _wait(lambda: _answers(host, port), f"RabbitMQ at {host}:{port}")
    return "started"


def ensure_libvirt(footprint: Footprint) -> str:
    """Have libvirt answer. Raises: Unavailable when it does not in time."""
    _open_kvm(footprint)
    if _listens(LIBVIRT_SOCKET):
        return "runs"
    if systemd_runs():
        footprint.add(STARTED, LIBVIRT)
        _run("systemctl", "start", "libvirtd")
    else:
        if not _listens(VIRTLOGD_SOCKET):
            footprint.add(STARTED, VIRTLOGD)
            _run(_must_have(VIRTLOGD, "/usr/sbin/virtlogd"), "-d")
        footprint.add(STARTED, LIBVIRT)
        _run(_must_have(LIBVIRT, "/usr/sbin/libvirtd"), "-d")
    _wait(lambda: _listens(LIBVIRT_SOCKET), "libvirt")
    return "started"


def libvirt_runs() -> bool:
    """Whether libvirt answers."""
    return _listens(LIBVIRT_SOCKET)


def _open_kvm(footprint: Footprint) -> None:
    """Give /dev/kvm the group and mode that udev would, where no udev runs.

    With root's alone, libvirt can open it and QEMU's user cannot; libvirt then asks QEMU anew for what it can at every
    call, for seconds.
    """
    try:
        status = KVM.stat()
        group = grp.getgrnam(KVM_GROUP).gr_gid
    except (FileNotFoundError, KeyError):
        return
    if stat.S_IMODE(status.st_mode) & 0o060 != 0o060 and not Path("/run/udev/control").exists():
        footprint.add(OPENED, f"{KVM}:{status.st_gid}:{stat.S_IMODE(status.st_mode):o}")
        os.chown(KVM, -1, group)
        KVM.chmod(0o660)


def _close_kvm(footprint: Footprint) -> None:
    """Give /dev/kvm back as it was."""
    for mark in footprint.names(OPENED):
        name, group, mode = mark.split(":")
        if Path(name).exists():
            os.chown(name, -1, int(group))
            Path(name).chmod(int(mode, 8))
        footprint.remove(OPENED, mark)


def stop_started(footprint: Footprint, *, others_use_libvirt: Callable[[], bool]) -> list[str]:
    """Stop the services that `up` started; libvirt stays while others have guests on it. Give what was stopped."""
    stopped = []
    _close_kvm(footprint)
    for name in reversed(footprint.names(STARTED)):
        if name in (LIBVIRT, VIRTLOGD) and others_use_libvirt():
            footprint.remove(STARTED, name)
            continue
        _stop(name)
        footprint.remove(STARTED, name)
        stopped.append(name)
    return stopped


def _stop(name: str) -> None:
    if systemd_runs():
        _run("systemctl", "stop", name)
    elif name == RABBITMQ:
        _run("/usr/sbin/rabbitmqctl", "--quiet", "shutdown", "--timeout", "60")
    elif name == EPMD:
        _run("/usr/bin/epmd", "-kill", must_work=False)  # it refuses while another node is registered
    else:
        _end(PIDS[name], name)


def _end(pid_file: Path, name: str) -> None:
    """End the process of a pid file, if it is still the one that wrote it."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() != name:
            return
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    _wait(lambda: not Path(f"/proc/{pid}").exists(), f"the end of {name}", within_s=20)


def _answers(host: str, port: int) -> bool:
    """Whether a broker greets there: it answers a wrong protocol header with its own, AMQP 0-9-1."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(b"AMQP\0\0\0\0")
            return connection.recv(4) == b"AMQP"
    except OSError:
        return False


def _connects(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=2).close()
    except OSError:
        return False
    return True


def _listens(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            connection.connect(str(path))
    except OSError:
        return False
    return True


def _is_here(host: str) -> bool:
    return host in ("localhost", "127.0.0.1", "::1", socket.gethostname())


def _must_have(package: str, program: str) -> str:
    if not shutil.which(program):
        raise errors.Unavailable(f"{program} is not installed; run: apt-get install {package}")
    return program


def _run(*command: str, must_work: bool = True, **environment: str) -> None:
    # The output goes to a file: a daemon that goes to the background would keep a pipe open, and us waiting.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | environment,
                timeout=START_S,
                check=False,
                cwd="/",
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise errors.Unavailable(f"{' '.join(command)}: {error}") from error
        output.seek(0)
        words = output.read().decode(errors="replace").strip()
    if done.returncode != 0 and must_work:
        raise errors.Unavailable(f"{' '.join(command)} failed: {words[-300:]}")


def _wait(ready: Callable[[], bool], what: str, within_s: float = START_S) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        if time.monotonic() > deadline:
            raise errors.Unavailable(f"Waited {within_s:.0f} s for {what}, in vain.")
        time.sleep(0.1)
