"""Hosts: adding them, what they say of themselves, whether they live, and what they owe."""

from __future__ import annotations

import dataclasses
import enum
import logging
import secrets
from typing import Any

from nova_lite import errors, metrics
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db import hosts as queries
from nova_lite.db import journal
from nova_lite.db.engine import Tx
from nova_lite.inventory import aggregates
from nova_lite.inventory.liveness import OVERDUE_S
from nova_lite.model.host import Host, HostFacts, Look
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.resources import Resources
from nova_lite.rpc.compute import Tombstone

LOG = logging.getLogger(__name__)
REASON_CHARS = 500
DISABLED_CHARS = 255  # of the reason that lists of services show
MAINTENANCE = "maintenance"  # how that reason begins while a host is in maintenance


class Age(enum.Enum):
    """How old is what a host saw. Only what is new is believed; the values are labels of a metric."""

    NEW = "new"
    LATE = "late"  # a heartbeat with a newer look has come
    OTHER_INCARNATION = "incarnation"


def add_host(tx: Tx, name: HostName, *, zone: str = "nova") -> str:
    """Add a host, or find it, and give the key that signs its reports (a secret). May be repeated."""
    known = queries.mac_key(tx, name)
    if known is not None:
        return known
    key = secrets.token_hex(32)
    queries.insert_host(tx, name, zone=zone, mac_key=key)
    return key


def find_key(tx: Tx, name: HostName) -> str | None:
    """Give the key that signs a host's reports (a secret), None for a host that nobody added."""
    return queries.mac_key(tx, name)


def remove_host(tx: Tx, name: HostName) -> None:
    """Forget a host.

    Raises: NotFound; Conflict while servers hold something on it.
    """
    if any(claim["host"] == name for claim in queries.select_claims(tx)):
        raise errors.Conflict(f"Host {name} still has servers: delete or move them first.")
    if not queries.delete_host(tx, name):
        raise errors.NotFound(f"There is no host {name}.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignOfLife:
    """A host's incarnation and the age of what was last heard of it; None: nothing since this machine started."""

    incarnation: int
    forced_down: bool
    age_s: float | None

    @property
    def up(self) -> bool:
        """Whether a heartbeat came in time."""
        return not self.forced_down and self.age_s is not None and self.age_s <= OVERDUE_S


def list_hosts(tx: Tx) -> tuple[Host, ...]:
    """List the hosts that have registered at least once, by name."""
    return queries.select_hosts(tx, OVERDUE_S)


def list_for_choice(tx: Tx) -> tuple[Host, ...]:
    """List the hosts with the metadata of their aggregates, for the scheduler: one statement more."""
    values = aggregates.metadata_by_host(tx)
    return tuple(
        dataclasses.replace(host, aggregate_metadata=values[host.name]) if host.name in values else host
        for host in list_hosts(tx)
    )


def get_host(tx: Tx, name: HostName) -> Host:
    """Give one host. Raises: NotFound also while it has not registered."""
    found = queries.select_hosts(tx, OVERDUE_S, name)
    if not found:
        raise errors.NotFound(f"There is no host {name}.")
    return found[0]


def find_sign_of_life(tx: Tx, name: HostName) -> SignOfLife | None:
    """Give what commands to a host depend on, without its servers and amounts; None for one that never registered."""
    row = queries.select_sign_of_life(tx, name)
    if row is None:
        return None
    age = None if row["age"] is None else max(0.0, float(row["age"]))
    return SignOfLife(incarnation=row["incarnation"], forced_down=row["forced_down"], age_s=age)


def limit_of(facts: HostFacts, ratios: SchedulerOptions) -> Resources:
    """Give what a host offers: what it has, less what is reserved, times the ratios.

    Dedicated CPUs and huge pages have no ratio: each is given to one server only.
    """
    return Resources(
        vcpus=int((facts.total.vcpus - facts.reserved.vcpus) * ratios.cpu_ratio),
        ram_mib=int((facts.total.ram_mib - facts.reserved.ram_mib) * ratios.ram_ratio),
        disk_gib=int((facts.total.disk_gib - facts.reserved.disk_gib) * ratios.disk_ratio),
        pcpus=facts.total.pcpus,
        pages_2m=facts.total.pages_2m,
        pages_1g=facts.total.pages_1g,
    )


def register(tx: Tx, name: HostName, facts: HostFacts, ratios: SchedulerOptions) -> tuple[int, tuple[Tombstone, ...]]:
    """Take a starting host's facts; give its new incarnation and the removals it owes.

    The incarnation rises at every call: commands that name an older one are refused by the host.
    Raises: NotFound for a host that nobody added.
    """
    incarnation = queries.register(tx, name, facts, limit_of(facts, ratios), tx.database.clock.wall())
    if incarnation is None:
        raise errors.NotFound(f"There is no host {name}: add it first.")
    wake_waiting(tx, name)
    return incarnation, list_owed(tx, name)


def list_owed(tx: Tx, name: HostName) -> tuple[Tombstone, ...]:
    """List the removals that a host owes."""
    return tuple(
        Tombstone(server_id=ServerId(row["server_id"]), fence=row["fence"], turn=row["turn"])
        for row in queries.select_tombstones(tx, name)
    )


def wake_waiting(tx: Tx, name: HostName) -> int:
    """Make the operations of servers on this host due now; give their number. May be repeated."""
    return journal.wake(tx, queries.live_operations_on(tx, name))


def beat(tx: Tx, name: HostName, look: Look) -> Age:
    """Note a sign of life, unless its look is old. May be repeated: a second time it is."""
    if queries.beat(tx, name, look, tx.database.clock.wall()):
        return Age.NEW
    last = queries.last_look(tx, name)
    return Age.LATE if last is not None and last.incarnation == look.incarnation else Age.OTHER_INCARNATION


def age_of(tx: Tx, name: HostName, look: Look) -> Age:
    """Compare a look with the newest that a heartbeat told of."""
    last = queries.last_look(tx, name)
    if last is None or last.incarnation != look.incarnation:
        return Age.OTHER_INCARNATION
    if look.number is not None and last.number is not None and look.number < last.number:
        return Age.LATE
    return Age.NEW


def change_facts(tx: Tx, name: HostName, facts: HostFacts, ratios: SchedulerOptions) -> None:
    """Take changed facts of a running host. May be repeated."""
    queries.change_facts(tx, name, facts, limit_of(facts, ratios))


def set_enabled(tx: Tx, name: HostName, *, enabled: bool, reason: str | None = None) -> None:
    """Let a host take new servers, or not; one that was set aside counts anew when enabled. Raises: NotFound."""
    values: dict[str, Any] = {"maintenance_since": None, "disabled_reason": None} if enabled else {"disabled_reason": reason}
    if not queries.update_host(tx, name, enabled=enabled, **values):
        raise errors.NotFound(f"There is no host {name}.")
    if enabled:
        queries.forget_failures(tx, name)


def begin_maintenance(tx: Tx, name: HostName, reason: str | None = None) -> None:
    """Let a host take no new servers because it is to be worked on. May be repeated: since when stays. Raises: NotFound."""
    host = get_host(tx, name)
    said = f"{MAINTENANCE}: {reason}" if reason else host.disabled_reason if host.maintenance_since else MAINTENANCE
    since = host.maintenance_since or tx.database.clock.wall()
    cut = (said or MAINTENANCE)[:DISABLED_CHARS]
    queries.update_host(tx, name, enabled=False, disabled_reason=cut, maintenance_since=since)


def build_failed(tx: Tx, name: HostName, why: str) -> None:
    """Count a build that failed by the host's fault and worked elsewhere; too many in a row set the host aside."""
    if queries.count_failure(tx, name, why[:REASON_CHARS]):
        tx.after_commit(lambda: _tell(name, why))


def build_worked(tx: Tx, name: HostName) -> None:
    """Forget the failures of a host that built a server well."""
    queries.forget_failures(tx, name)


def begin_trial(tx: Tx, name: HostName) -> bool:
    """Take the one build that a host on trial may have; False when another has taken it."""
    return queries.begin_trial(tx, name)


def _tell(name: HostName, why: str) -> None:
    metrics.HOSTS_SET_ASIDE.inc()
    LOG.warning("A host failed too many builds in a row and is set aside: %s", why[:REASON_CHARS], extra={"host": name})


def set_forced_down(tx: Tx, name: HostName, *, forced_down: bool) -> None:
    """Say that a host is dead (the operator's proof), or no longer. Raises: NotFound."""
    if not queries.update_host(tx, name, forced_down=forced_down):
        raise errors.NotFound(f"There is no host {name}.")


def owe_removal(tx: Tx, name: HostName, server_id: ServerId, *, fence: int, turn: int) -> None:
    """Leave a tombstone: the host removes the guest when it returns, unless it was made under a higher pair."""
    queries.put_tombstone(tx, name, server_id, (fence, turn), tx.database.clock.wall())


def removal_done(tx: Tx, name: HostName, server_id: ServerId, *, fence: int, turn: int) -> None:
    """Strike out a tombstone. May be repeated."""
    queries.drop_tombstone(tx, name, server_id, (fence, turn))
