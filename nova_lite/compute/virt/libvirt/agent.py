"""QEMU's guest agent, which holds a guest's file systems still while a snapshot begins.

The guest rules its agent: it may take a question and never answer. libvirt would wait for ever, with a thread of its few;
so every question has its time.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import libvirt

from nova_lite.compute.virt.libvirt.connection import is_alive

LOG = logging.getLogger(__name__)
FREEZE_S = 45
THAW_S = 20
PATIENCE_S = 30.0  # an agent that was asked to hold still may be at it yet, and hears nothing meanwhile
AGAIN_S = 1.0


def give_time(domain: libvirt.virDomain, answer_s: int) -> None:
    """Have libvirt wait so long, in seconds, for each answer of a guest's agent, until told otherwise."""
    domain.agentSetResponseTimeout(answer_s, 0)


def freeze(domain: libvirt.virDomain, mark: Path) -> None:
    """Have the guest hold its file systems still. The file `mark` is there as long as they may be: see `thaw`.

    Raises: libvirtError when they are not.
    """
    give_time(domain, FREEZE_S)
    mark.touch()
    began = time.monotonic()
    try:
        domain.fsFreeze()
    except libvirt.libvirtError:
        was_asked = time.monotonic() - began >= FREEZE_S
        if not thaw(domain, mark, PATIENCE_S if was_asked else 0.0) and not was_asked:
            mark.unlink(missing_ok=True)
        raise


def thaw(domain: libvirt.virDomain, mark: Path, patience_s: float = PATIENCE_S) -> bool:
    """Let the guest write again, and say whether its agent did so; may be repeated. `patience_s`: how long it is asked anew.

    Raises: libvirtError when the connection broke.
    """
    until = time.monotonic() + patience_s
    give_time(domain, THAW_S)
    while True:
        try:
            domain.fsThaw()
        except libvirt.libvirtError:
            if not is_alive(domain.connect()):
                raise
            if time.monotonic() >= until:
                return False
            time.sleep(AGAIN_S)
        else:
            mark.unlink(missing_ok=True)
            return True
