"""A guest with QEMU's own guest agent in it, and what is asked of the agent past the driver.

The tiny guest has Debian's qemu-ga and its libraries, unpacked from the package `qemu-guest-agent`. The package is not to be
installed: it would start an agent on a machine that is itself a guest, for a hypervisor that is none of ours.
"""

from __future__ import annotations

import base64
import contextlib
import json
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu

ASK_S = 30
READY = "AGENT-READY"
HOOK = "AGENT-HOOK"
SECTOR = 512
NEEDS_RECOVERY = 0x4  # of an ext4's incompatible features: there are changes in its journal alone
# Runs once, at the first boot. The agent's hook lies outside the file system that is frozen; it is called before the freezing
# and after the thawing. The power button brings back an agent that a test has stopped or ended.
USER_DATA = f"""#!/bin/sh
port=$(tr '\\0' '\\n' < /proc/$(pidof qemu-ga)/cmdline | grep /dev/)
cat > /run/hook <<END
#!/bin/sh
echo "{HOOK} \\$1" > /dev/console
[ ! -e /run/slow-\\$1 ] || sleep \\$(cat /run/slow-\\$1)
END
cat > /run/start-agent <<END
#!/bin/sh
qemu-ga -d -m virtio-serial -p $port -f /run/qemu-ga.pid -t /run -F/run/hook
END
mv /usr/sbin/chpasswd /usr/sbin/chpasswd.real
cat > /usr/sbin/chpasswd <<END
#!/bin/sh
[ ! -e /run/slow-password ] || sleep \\$(cat /run/slow-password)
exec /usr/sbin/chpasswd.real "\\$@"
END
cat > /etc/acpi/PWRF/00000080 <<END
#!/bin/sh
pidof qemu-ga && kill -CONT \\$(pidof qemu-ga) || /run/start-agent
END
chmod 755 /run/hook /run/start-agent /usr/sbin/chpasswd
kill $(pidof qemu-ga)
while pidof qemu-ga; do usleep 50000; done
/run/start-agent && echo {READY}
"""


def user_data() -> str:
    """Give the script as a request would."""
    return base64.b64encode(USER_DATA.encode()).decode()


def ask(domain: libvirt.virDomain, command: str, **arguments: object) -> Any:
    """Ask the agent what the driver never does."""
    question = json.dumps({"execute": command, "arguments": arguments})
    return json.loads(libvirt_qemu.qemuAgentCommand(domain, question, ASK_S, 0))["return"]


def ping(domain: libvirt.virDomain, timeout_s: int) -> None:
    """Ask the agent whether it is there. Raises: libvirtError."""
    libvirt_qemu.qemuAgentCommand(domain, '{"execute": "guest-ping"}', timeout_s, 0)


def run(domain: libvirt.virDomain, script: str) -> str:
    """Run a line of shell in the guest; give what it wrote."""
    pid = ask(domain, "guest-exec", path="/bin/sh", arg=["-c", script], **{"capture-output": True})["pid"]
    until = time.monotonic() + ASK_S
    while not (end := ask(domain, "guest-exec-status", pid=pid))["exited"]:
        assert time.monotonic() < until, f"it does not end: {script}"
        time.sleep(0.1)
    assert end["exitcode"] == 0, end
    return base64.b64decode(end.get("out-data", "")).decode()


def signal_agent(domain: libvirt.virDomain, name: str) -> None:
    """Send the agent a signal a moment after it has answered."""
    arguments = ["-c", f"usleep 300000; kill -{name} $(pidof qemu-ga)"]
    ask(domain, "guest-exec", path="/bin/sh", arg=arguments)


def bring_back_agent(domain: libvirt.virDomain) -> None:
    """Press the power button, which wakes or starts the agent, until it answers: one that was about to end was seen alive."""
    until = time.monotonic() + 2 * ASK_S
    while True:
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        if _answers(domain, 5.0):
            return
        assert time.monotonic() < until, "the agent does not come back"


def wait_for_answer(domain: libvirt.virDomain) -> None:
    """Wait until the agent answers: libvirt hears of it a moment after the guest started it."""
    assert _answers(domain, 2 * ASK_S), "the agent does not answer"


def _answers(domain: libvirt.virDomain, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        with contextlib.suppress(libvirt.libvirtError):
            ping(domain, 5)
            return True
        time.sleep(0.2)
    return False


def was_written_to(image: bytes, folder: Path) -> bool:
    """Whether a disk's second partition, an ext4, was in use when the image was taken, and not held still."""
    (folder / "image").write_bytes(image)
    command = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(folder / "image"), str(folder / "raw")]
    subprocess.run(command, check=True, timeout=60)
    with (folder / "raw").open("rb") as raw:
        first_sector = struct.unpack_from("<I", raw.read(SECTOR), 446 + 16 + 8)[0]
        raw.seek(first_sector * SECTOR + 1024)  # the superblock
        block = raw.read(1024)
    assert block[0x38:0x3A] == b"\x53\xef", "no ext4"
    return bool(struct.unpack_from("<I", block, 0x60)[0] & NEEDS_RECOVERY)
