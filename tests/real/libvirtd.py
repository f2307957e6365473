"""A libvirt of the tests' own: its daemons see folders of their own, in a mount namespace; the machine's is left alone."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import libvirt

START_S = 60
PROGRAMS = ("/usr/sbin/libvirtd", "/usr/sbin/virtlogd", "qemu-system-x86_64", "qemu-img", "unshare")
FOLDERS = {
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "etc": "/etc/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
}
STATE = ("ram", "save", "snapshot", "dump", "channel/target", "checkpoint", "nvram")


def missing() -> str | None:
    """Say what this machine lacks for it."""
    if os.geteuid() != 0:
        return "needs root"
    for program in PROGRAMS:
        if not shutil.which(program):
            return f"needs {program}"
    return None


class Libvirtd:
    """libvirtd and virtlogd, until `remove`. Guests' disks go under `place`, which QEMU's user can reach."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="nova-lite-libvirt-", dir="/var/tmp"))
        self.root.chmod(0o711)
        self.place = self.root / "hosts"
        self.place.mkdir()
        self.place.chmod(0o711)
        self.uri = f"qemu+unix:///system?socket={self.root}/run/libvirt-sock"
        self._shell: subprocess.Popen[bytes] | None = None
        self._lay_out()

    def start(self) -> None:
        """Start both, and wait for an answer."""
        self._spawn("virtlogd", self.root / "run/virtlogd-sock")
        self._spawn("libvirtd", self.root / "run/libvirt-sock")
        until = time.monotonic() + START_S
        while True:
            with contextlib.suppress(libvirt.libvirtError):
                libvirt.open(self.uri).close()
                return
            assert time.monotonic() < until, (self.root / "start.log").read_text()[-2000:]
            time.sleep(0.1)

    def stop_libvirtd(self) -> None:
        """End libvirtd alone; guests go on."""
        self._end("libvirtd")

    def start_libvirtd(self) -> None:
        """Start it again."""
        self._spawn("libvirtd", self.root / "run/libvirt-sock")

    def lose_power(self) -> None:
        """Be as after a power cut: no process is left, nor anything in /run; what is on disk is. Starts nothing."""
        pids = [self._pid(name) for name in ("libvirtd", "virtlogd")]
        pids += [int(path.read_text()) for path in (self.root / "run/qemu").glob("nova-lite-*.pid")]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + START_S
        while any(_is_there(pid) for pid in pids):
            assert time.monotonic() < until, "a process does not die"
            time.sleep(0.05)
        for path in [*(self.root / "run").iterdir(), *(self.root / f"{name}.pid" for name in ("libvirtd", "virtlogd"))]:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def freeze(self) -> None:
        """Have libvirtd hang."""
        os.kill(self._pid("libvirtd"), signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            os.kill(self._pid("libvirtd"), signal.SIGCONT)

    def remove(self) -> None:
        """Destroy its guests, end the daemons, remove the folders."""
        self.thaw()
        with contextlib.suppress(libvirt.libvirtError):
            connection = libvirt.open(self.uri)
            for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
                with contextlib.suppress(libvirt.libvirtError):
                    domain.destroy()
            connection.close()
        for name in ("libvirtd", "virtlogd"):
            self._end(name)
        for path in (self.root / "run/qemu").glob("nova-lite-*.pid"):  # what libvirtd could not end
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(path.read_text()), signal.SIGKILL)
        shutil.rmtree(self.root, ignore_errors=True)

    def _lay_out(self) -> None:
        for name in FOLDERS:
            (self.root / name).mkdir()
        shutil.copytree("/etc/libvirt", self.root / "etc", dirs_exist_ok=True)
        shutil.rmtree(self.root / "etc/qemu", ignore_errors=True)
        (self.root / "etc/libvirtd.conf").write_text(
            f'host_uuid = "{uuid.uuid4()}"\nlisten_tls = 0\nauth_unix_rw = "none"\nunix_sock_rw_perms = "0700"\nkeepalive_interval = -1\n'
        )
        for name in STATE:
            (self.root / "lib/qemu" / name).mkdir(parents=True)
        shutil.chown(self.root / "lib/qemu", "libvirt-qemu")
        for path in (self.root / "lib/qemu").rglob("*"):
            shutil.chown(path, "libvirt-qemu")

    def _spawn(self, name: str, socket: Path) -> None:
        binds = "\n".join(f"mkdir -p {to}; mount --bind {self.root / name} {to}" for name, to in FOLDERS.items())
        script = f"set -e\n{binds}\n{self._kvm_as_udev_leaves_it()}\nexec /usr/sbin/{name} -p {self.root}/{name}.pid\n"
        with (self.root / "start.log").open("ab") as log:
            subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while not (socket.exists() and (self.root / f"{name}.pid").exists()):
            assert time.monotonic() < until, (self.root / "start.log").read_text()[-2000:]
            time.sleep(0.05)

    def _kvm_as_udev_leaves_it(self) -> str:
        """Show /dev/kvm with its usual group and mode: where QEMU's user cannot open it, but the probing libvirtd can,
        libvirt asks QEMU for its capabilities again at every call, 4 seconds each time."""
        node = self.root / "kvm"
        if not Path("/dev/kvm").exists():
            return ":"
        return f"[ -e {node} ] || mknod -m 660 {node} c 10 232; chgrp kvm {node}; mount --bind {node} /dev/kvm"

    def _pid(self, name: str) -> int:
        return int((self.root / f"{name}.pid").read_text())

    def _end(self, name: str) -> None:
        try:
            pid = self._pid(name)
            os.kill(pid, signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return
        until = time.monotonic() + 20
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                if time.monotonic() > until:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)


def _is_there(pid: int) -> bool:
    """Whether a process lives; a dead child of ours is buried."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
