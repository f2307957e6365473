"""Whether KVM really runs a guest here: /dev/kvm that opens proves nothing (nested or emulated KVM may crawl or abort)."""

from __future__ import annotations

import base64
import logging
import os
import platform
import subprocess
import tempfile
import zlib
from pathlib import Path

LOG = logging.getLogger(__name__)
DEVICE = Path("/dev/kvm")
MODULES = Path("/sys/module")
EMULATOR = "qemu-system-x86_64"
WITHIN_S = 3.0
USABLE = 49  # what QEMU's isa-debug-exit makes of 0x18: (0x18 << 1) | 1
# A multiboot ELF of 424 bytes: it turns on paging and 64-bit mode, counts down from 20 million, and writes 0x18 to port 0xf4.
GUEST = (
    "eNqrd/VxY2RkZIABJgZmBhBPgUGAwQRIG0ClTIAiTAwaQFkmsHwFWFQAjJcBSRBmB2IOIA58WpLCgAWwQXWA7dmwVpoBaNI//8AnMHNgAGT3fhB1nJ1ZAEi2g+SY"
    "FcAsBQaGZqCS4+0cYJYCww4gzcCv9IBf6f7OBgaGA/xG/LtecPAb8Csc4AU6tIFf6QA/o+gCoBGvqoAEB8NOBl1Dxv8nS/9skHj25cvrv73bkN34/z+QmLWegZ9h"
    "AshWveKM4pKiksQkBr2S1IoSBqIBNwMDOJzYoeFUAQ0jGOCA0iA1zEjickABQSQ+LGYAkPg0ZA=="
)


def kvm_works() -> bool:
    """Boot a guest that ends at once. Takes 3 seconds at most."""
    if platform.machine() != "x86_64" or not os.access(DEVICE, os.R_OK | os.W_OK):
        return False
    if (MODULES / "kvm_pvm").exists() and not any((MODULES / name).exists() for name in ("kvm_intel", "kvm_amd")):
        return False  # emulated in software: it crawls
    return boots("kvm", "host")


def boots(accelerator: str, cpu: str, within_s: float = WITHIN_S) -> bool:
    """Whether the small guest ends as it should, in time."""
    with tempfile.NamedTemporaryFile(prefix="nova-lite-probe-", suffix=".elf") as guest:
        guest.write(zlib.decompress(base64.b64decode(GUEST)))
        guest.flush()
        command = [EMULATOR, "-accel", accelerator, "-cpu", cpu, "-m", "16", "-nodefaults", "-no-user-config"]
        command += ["-display", "none", "-no-reboot", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        try:
            done = subprocess.run(
                [*command, "-kernel", guest.name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=within_s,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return done.returncode == USABLE
