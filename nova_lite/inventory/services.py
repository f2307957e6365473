"""Daemons in the operators' list: conductors and schedulers by their own beats, compute hosts by theirs."""

from __future__ import annotations

from nova_lite import errors
from nova_lite.db import hosts as queries
from nova_lite.db.engine import Tx
from nova_lite.inventory.liveness import OVERDUE_S
from nova_lite.model.host import Host
from nova_lite.model.service import Service

COMPUTE_NUMBERS_FROM = 1000  # so that integer ids of hosts and of control daemons never meet


def beat(tx: Tx, binary: str, host: str) -> None:
    """Note that a control daemon lives. May be repeated."""
    queries.beat_service(tx, binary, host, tx.database.clock.wall())


def list_services(tx: Tx) -> tuple[Service, ...]:
    """List control daemons, then compute hosts."""
    numbers = queries.host_numbers(tx)
    control = [
        Service(
            uuid=row["uuid"],
            number=row["number"],
            binary=row["binary"],
            host=row["host"],
            zone=row["zone"],
            enabled=row["enabled"],
            disabled_reason=row["disabled_reason"],
            forced_down=False,
            up=bool(row["up"]),
            updated_at=row["updated_at"],
        )
        for row in queries.select_services(tx, OVERDUE_S)
    ]
    return (*control, *(_of_host(host, numbers, tx) for host in queries.select_hosts(tx, OVERDUE_S)))


def _of_host(host: Host, numbers: dict[str, int], tx: Tx) -> Service:
    seen = None if host.last_seen_age_s is None else tx.database.clock.wall() - host.last_seen_age_s
    return Service(
        uuid=host.uuid,
        number=COMPUTE_NUMBERS_FROM + numbers[host.name],
        binary="nova-compute",
        host=host.name,
        zone=host.facts.zone,
        enabled=host.enabled,
        disabled_reason=host.disabled_reason,
        set_aside=host.why_aside,
        forced_down=host.forced_down,
        up=host.up,
        updated_at=seen,
    )


def set_enabled(tx: Tx, service_uuid: str, *, enabled: bool, reason: str | None = None) -> None:
    """Enable or disable a control daemon (shown only; it works on). Raises: NotFound."""
    if not queries.update_service(tx, service_uuid, enabled=enabled, disabled_reason=None if enabled else reason):
        raise errors.NotFound(f"There is no service {service_uuid}.")


def forget(tx: Tx, service_uuid: str) -> None:
    """Forget a control daemon; a living one comes back with its next beat. Raises: NotFound."""
    if not queries.delete_service(tx, service_uuid):
        raise errors.NotFound(f"There is no service {service_uuid}.")
