"""A Debian container with systemd as its PID 1, RabbitMQ and the product in /opt/nova-lite. The base is made once."""

from __future__ import annotations

import configparser
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nova_lite.cli import novnc
from nova_lite.cli.guest_image.builder import default_cache
from nova_lite.console.site import DEBIAN, MARK

TOP = Path(__file__).parents[2]
PACKAGES = ("systemd", "systemd-sysv", "dbus", "rabbitmq-server", "python3", "iproute2", "procps")
MIRROR = "http://deb.debian.org/debian"
HOST = "control"
HOME = "opt/nova-lite"
LEFT_OUT = ("__pycache__", "mypy*", "ruff*", "hypothesis*", "nova_lite", "__editable__*", "vulture*", "pip*")
BOOT_S = 60.0


class Container:
    """A booted container."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root = root
        self.leader = leader

    def run(self, *command: str, check: bool = True, timeout_s: float = 120.0) -> str:
        """Run a command inside; give what it prints, errors too."""
        inside = ["nsenter", "--target", str(self.leader), "--all", "--wdns=/", *command]
        done = subprocess.run(
            inside,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=timeout_s,
            env=_environment(),
        )
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def until(self, *command: str, within_s: float = 60.0, says: str = "") -> None:
        """Repeat a command until it succeeds and says that."""
        deadline = time.monotonic() + within_s
        while True:
            inside = ["nsenter", "--target", str(self.leader), "--all", "--wdns=/", *command]
            done = subprocess.run(inside, capture_output=True, text=True, check=False, timeout=30, env=_environment())
            if done.returncode == 0 and says in done.stdout:
                return
            assert time.monotonic() < deadline, f"{' '.join(command)}: {done.stdout}{done.stderr}"
            time.sleep(0.3)


def _environment() -> dict[str, str]:
    return {
        "PATH": f"/{HOME}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
    }


@contextlib.contextmanager
def booted() -> Iterator[Container]:
    """Boot a fresh container while the block lasts."""
    for tool in ("debootstrap", "systemd-nspawn"):
        if shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            pytest.skip(f"{tool} is not installed; ./run-tests --all installs it")
    if os.geteuid() != 0:
        pytest.skip("only root makes containers")
    base = _base()
    with tempfile.TemporaryDirectory(prefix="nl-container-", dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True, timeout=300)
        _install_product(root)
        _install_novnc(root)
        command = ["systemd-nspawn", "-q", "-D", root, "-b", "--register=no", "--keep-unit", "--private-network"]
        log = Path(folder) / "console"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, f"--hostname={HOST}"], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            container = Container(root, _leader(process, log))
            container.until("systemctl", "is-system-running", "--wait", within_s=BOOT_S, says="")
            # nspawn shows a boot id of its own there, which units with a /proc of their own do not see.
            container.run("umount", "/proc/sys/kernel/random/boot_id", check=False)
            yield container
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


def _leader(process: subprocess.Popen[bytes], log: Path) -> int:
    """Give the process that is PID 1 inside, once systemd runs there."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + BOOT_S
    while time.monotonic() < deadline and process.poll() is None:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                return int(child)
        time.sleep(0.1)
    raise AssertionError(f"the container did not boot:\n{log.read_text(errors='replace')[-2000:]}")


def _base() -> Path:
    """Give the folder of a Debian that has what is needed; made by debootstrap the first time."""
    name = hashlib.sha256(" ".join(PACKAGES).encode()).hexdigest()[:12]
    base = default_cache() / f"container-{name}"
    if not base.exists():
        base.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".container-", dir=base.parent))
        try:
            include = f"--include={','.join(PACKAGES)}"
            subprocess.run(["debootstrap", "--variant=minbase", include, "bookworm", fresh, MIRROR], check=True, timeout=900)
            shutil.rmtree(fresh / "var/cache/apt/archives", ignore_errors=True)
            fresh.chmod(0o755)
            fresh.rename(base)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return base


def _install_novnc(root: Path) -> None:
    """Put noVNC where Debian's package has it: inside there is no network to download it from."""
    with tempfile.TemporaryDirectory(prefix="nl-novnc-") as folder:
        said = novnc.ensure(Path(folder))
        found = [place for place in (DEBIAN, Path(folder) / "novnc") if (place / MARK).is_file()]
        assert found, said
        shutil.copytree(found[0], root / DEBIAN.relative_to("/"))


def _install_product(root: Path) -> None:
    """Put the product and its libraries into /opt/nova-lite, as `pip install` there would."""
    home = root / HOME
    packages = home / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    shutil.copytree(sysconfig.get_path("purelib"), packages, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    shutil.copytree(TOP / "nova_lite", packages / "nova_lite", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOP / "etc/systemd", home / "share/nova-lite/systemd")
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to("/usr/bin/python3")
    (home / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(TOP / "setup.cfg")
    for line in setup["options.entry_points"]["console_scripts"].split("\n"):
        if line.strip():
            name, _, target = (part.strip() for part in line.partition("="))
            module, _, function = target.partition(":")
            script = home / "bin" / name
            script.write_text(f"#!/{HOME}/bin/python\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
            script.chmod(0o755)
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost {HOST}\n")
    (root / "etc/hostname").write_text(f"{HOST}\n")
    (root / "etc/machine-id").write_text("")
