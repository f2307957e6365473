"""Takes what hosts and the api say: commits it, then acknowledges it. Every message may come twice or late."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors, metrics
from nova_lite.conductor import resuming
from nova_lite.conductor.reconcilers.power_states import PowerStates
from nova_lite.conf.scheduler import SchedulerOptions
from nova_lite.db.engine import Database, Tx
from nova_lite.durable import journal
from nova_lite.inventory import claims, hosts
from nova_lite.model import wire
from nova_lite.model.host import Look
from nova_lite.model.ids import HostName, OperationId
from nova_lite.rpc.compute import ComputeClient, Tombstone, Welcome
from nova_lite.rpc.conductor import (
    Doorbell,
    GuestPassword,
    Heartbeat,
    MoveProgress,
    PowerChange,
    Registration,
    Report,
    TombstoneDone,
)
from nova_lite.servers import moves, passwords
from nova_lite.workflows.desk import Desk

LOG = logging.getLogger(__name__)
FIRST_LOOK = 1  # of an incarnation: the host has just started


@dataclasses.dataclass(frozen=True, kw_only=True)
class ConductorParts:
    """What the handlers stand on. `ring` tells this process's runner that an operation is due."""

    database: Database
    compute: ComputeClient
    ring: Callable[[OperationId], None]
    ratios: SchedulerOptions
    power_states: PowerStates


class ConductorService:
    """The handlers of the conductors' address (rpc/conductor.py)."""

    def __init__(self, parts: ConductorParts) -> None:
        """Handlers run in several threads at once; nothing is kept between messages."""
        self._parts = parts

    def ring(self, body: Mapping[str, Any]) -> None:
        """Handle Doorbell: look at the operation now instead of at the next poll."""
        self._parts.ring(wire.from_plain(Doorbell, body).operation_id)

    def register(self, body: Mapping[str, Any]) -> None:
        """Handle Registration: a new incarnation, and the operations that wait for this host go on at once."""
        message = wire.from_plain(Registration, body)
        try:
            incarnation, owed = self._parts.database.transact(
                lambda tx: hosts.register(tx, message.host, message.facts, self._parts.ratios)
            )
        except errors.NotFound:
            LOG.warning("A host that nobody added wants to register.", extra={"host": message.host})
            return
        if message.booted:
            desk = Desk(database=self._parts.database, ring=self._parts.ring)
            resuming.resume_guests(desk, message.host, message.guests)
        welcome = Welcome(nonce=message.nonce, incarnation=incarnation, tombstones=owed)
        self._send(lambda: self._parts.compute.welcome(message.host, welcome))
        if not message.counts_looks:
            self._parts.power_states.compare(message.host, message.guests, starting=True)

    def heartbeat(self, body: Mapping[str, Any]) -> None:
        """Handle Heartbeat of the present incarnation; who has another is asked to register again.

        One that was overtaken by a newer sight of the same guests is dropped. Removals that came to be owed while the host
        was thought dead are told: it need not know that it was.
        """
        message = wire.from_plain(Heartbeat, body)
        look = Look(incarnation=message.incarnation, number=message.look)

        def beat(tx: Tx) -> tuple[hosts.Age, tuple[Tombstone, ...]]:
            age = hosts.beat(tx, message.host, look)
            if age is hosts.Age.NEW and look.number == FIRST_LOOK:
                hosts.wake_waiting(tx, message.host)  # what was sent before the host had its Welcome was refused there
            return age, hosts.list_owed(tx, message.host) if age is hosts.Age.NEW else ()

        age, owed = self._parts.database.transact(beat)
        if age is not hosts.Age.NEW:
            self._refuse_look(message.host, age)
            if age is hosts.Age.OTHER_INCARNATION:
                again = Welcome(nonce="", incarnation=0, refused=message.incarnation)
                self._send(lambda: self._parts.compute.welcome(message.host, again))
            return
        if owed:
            reminder = Welcome(nonce="", incarnation=message.incarnation, tombstones=owed)
            self._send(lambda: self._parts.compute.welcome(message.host, reminder))
        facts = message.facts
        if facts is not None:
            self._parts.database.transact(lambda tx: hosts.change_facts(tx, message.host, facts, self._parts.ratios))
        self._parts.power_states.compare(message.host, message.guests, look, starting=look.number == FIRST_LOOK)

    def report(self, body: Mapping[str, Any]) -> None:
        """Handle Report: store it once as a signal, acknowledge, wake the operation.

        One that answers an operation that has ended is acknowledged and dropped.
        """
        message = wire.from_plain(Report, body)
        plain = wire.to_plain(message)
        self._parts.database.transact(
            lambda tx: journal.send_signal(tx, message.operation_id, "report", plain, report_id=message.id)
        )
        self._parts.ring(message.operation_id)
        self._acknowledge(message.host, message.id)

    def power_changed(self, body: Mapping[str, Any]) -> None:
        """Handle PowerChange, unless a newer sight is known; a lost one is made good by the next heartbeat."""
        message = wire.from_plain(PowerChange, body)
        look = Look(incarnation=message.incarnation, number=message.look)
        with self._parts.database.read() as tx:
            age = hosts.age_of(tx, message.host, look)
        if age is hosts.Age.NEW:
            self._parts.power_states.changed(message.host, message.server_id, message.power_state, look)
        else:
            self._refuse_look(message.host, age)

    def tombstone_done(self, body: Mapping[str, Any]) -> None:
        """Handle TombstoneDone: strike it out, acknowledge."""
        message = wire.from_plain(TombstoneDone, body)
        self._parts.database.transact(
            lambda tx: hosts.removal_done(tx, message.host, message.server_id, fence=message.fence, turn=message.turn)
        )
        self._acknowledge(message.host, message.report_id)

    def move_progress(self, body: Mapping[str, Any]) -> None:
        """Handle MoveProgress: it is shown while the move lasts, and never counts for anything."""
        message = wire.from_plain(MoveProgress, body)

        def note(tx: Tx) -> None:
            found = moves.of_operation(tx, message.server_id, message.operation_id)
            if found is not None and message.host in (found.source, found.dest):
                moves.note_progress(tx, found.id, message.progress)

        self._parts.database.transact(note)

    def guest_password(self, body: Mapping[str, Any]) -> None:
        """Handle GuestPassword: the first one stays until the user clears it. A host speaks for its own guests only."""
        message = wire.from_plain(GuestPassword, body)

        def write(tx: Tx) -> bool:
            if claims.find_host(tx, message.server_id) != message.host:
                return False
            with contextlib.suppress(errors.BadRequest):  # too long, which the host has told the guest
                passwords.write(tx, message.server_id, message.password)
            return True

        if not self._parts.database.transact(write):
            extra = {"host": message.host, "server_id": message.server_id}
            LOG.warning("A host speaks for a guest that is not its own.", extra=extra)
        self._acknowledge(message.host, message.report_id)

    def _refuse_look(self, host: HostName, age: hosts.Age) -> None:
        metrics.LOOKS_REFUSED.labels(age.value).inc()
        LOG.info("What a host saw is not believed: it is old.", extra={"host": host, "reason": age.value})

    def _acknowledge(self, host: HostName, report_id: str) -> None:
        self._send(lambda: self._parts.compute.ack_report(host, report_id))

    def _send(self, send: Callable[[], None]) -> None:
        """Send an answer; when the broker is away the host repeats its message, and is answered then."""
        try:
            send()
        except errors.Unavailable:
            LOG.info("The broker did not take an answer to a host; the host will repeat.")
