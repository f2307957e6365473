"""What the broker still has of hosts that were removed: their users, which could log in, and their queues.

`nova-lite host remove` forgets a host in the database first; when the broker does not run then, or the command is
interrupted, its part is left over. Only `rabbitmqctl` tells all of it, so only root sees it, on the broker's machine.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from nova_lite.cli import joining
from nova_lite.cli.findings import Finding
from nova_lite.cli.installation import Installation
from nova_lite.conf import broker as broker_conf
from nova_lite.db import differences as repairs
from nova_lite.db import hosts
from nova_lite.db.engine import Tx
from nova_lite.rpc import broker

CHECK = "queues"


def list_removed(installation: Installation, ctl: broker.Ctl = broker.MACHINE) -> list[str]:
    """List the hosts that the broker knows and the database does not. Raises: Unavailable.

    The broker is asked first: a host that is just being added is made there before it is written down.
    """
    known = broker.list_hosts(broker_conf.read(installation.conf), ctl)
    with installation.database.read() as tx:
        return sorted(known - set(hosts.host_numbers(tx)))


def can_look(installation: Installation) -> bool:
    """Whether the broker is this machine's, set up by us, and we may ask it for everything."""
    ours = broker_conf.read(installation.conf).url_file.exists()
    return ours and os.geteuid() == 0 and shutil.which("rabbitmqctl", path=broker.search_path()) is not None


def check(installation: Installation) -> Iterator[Finding]:
    """The broker has users and queues of hosts of this cloud only."""
    if can_look(installation):
        yield from find(installation)


def find(installation: Installation, ctl: broker.Ctl = broker.MACHINE) -> Iterator[Finding]:
    """Give a finding for each host that was removed and is still at the broker. Raises: Unavailable."""
    for name in list_removed(installation, ctl):
        yield Finding(
            check=CHECK,
            subject=name,
            problem=f"The broker has a user or queues of the host {name}, which was removed.",
            help=f"nova-lite doctor --repair, or: nova-lite host add {name}",
            repair="remove them from the broker",
        )


def mend(installation: Installation, seen: Finding, *, by: str, ctl: broker.Ctl = broker.MACHINE) -> bool:
    """Take such a host away from the broker if it still is removed, and write that down. May be repeated."""
    if seen.subject not in list_removed(installation, ctl):
        return False
    joining.leave_broker(installation, seen.subject, ctl)

    def work(tx: Tx) -> None:
        row = {"check_name": CHECK, "subject": seen.subject, "problem": seen.problem, "done": "They were removed."}
        repairs.insert_repair(tx, row | {"repaired_by": by[:64], "repaired_at": tx.database.clock.wall()})

    installation.database.transact(work)
    return True
