"""The host's clockwork, one thread: registers, beats, tests its own hearing, repeats reports, tells of power changes."""

from __future__ import annotations

import collections
import dataclasses
import logging
import random
import threading
from collections.abc import Callable

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.compute.boots import Boots
from nova_lite.compute.crew import Crew
from nova_lite.compute.hearing import TEST_S, Hearing
from nova_lite.compute.registration import Registrations, Verdict
from nova_lite.compute.reports import Outbox
from nova_lite.compute.virt.driver import VirtDriver, VirtError
from nova_lite.model.guest import GuestState, PowerState
from nova_lite.model.host import HostFacts, MoveDoor
from nova_lite.model.ids import HostName, ServerId
from nova_lite.rpc.conductor import ConductorPort, Heartbeat, PowerChange, Registration
from nova_lite.rpc.port import Listener, Transport
from nova_lite.rpc.trouble import Trouble

LOG = logging.getLogger(__name__)
BEAT_S = 15.0
OUT_OF_TOUCH_S = 40.0  # without a heartbeat for so long we may have been declared down: removals may be owed
RETRY_S = 2.0
AWHILE_S = 3600.0
EXPIRE_S = 5.0
HANGS_S = 60.0
HOPELESS_S = 180.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class MonitorParts:
    """What the clockwork drives."""

    host: HostName
    driver: VirtDriver
    conductor: ConductorPort
    transport: Transport
    outbox: Outbox
    crew: Crew
    clock: Clock
    door: Callable[[], MoveDoor] | None = None  # opens the host's door, and says where
    boots: Boots | None = None  # None: a boot of the machine starts no guests


@dataclasses.dataclass
class _Chore:
    act: Callable[[], float]  # gives the seconds until it is due again
    due: float


@dataclasses.dataclass(frozen=True)
class _Change:
    """What the hypervisor told of a guest, and which look it was, of which incarnation."""

    server_id: ServerId
    power_state: PowerState
    incarnation: int | None
    look: int


class Monitor:
    """Runs chores when they are due. `tick` is one turn; tests call it with a clock of their own."""

    def __init__(self, parts: MonitorParts) -> None:
        """Nothing is sent before `start` or the first `tick`."""
        self._parts = parts
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"monitor-{parts.host}", daemon=True)
        self._registration = Registrations()
        self._hearing = Hearing(parts.host, parts.transport, parts.clock)
        self._power: collections.deque[_Change] = collections.deque(maxlen=10_000)
        self._known: dict[ServerId, PowerState] = {}
        self._facts: HostFacts | None = None
        self._prepare: Callable[[], None] | None = None
        parts.outbox.when_sent(lambda: self.hurry("reports"))
        now = parts.clock.monotonic()
        self._last_tick = self._last_contact = self._driver_well = now
        self._driver_trouble = Trouble(LOG)
        self._chores = {
            "register": _Chore(self._register, now),
            "beat": _Chore(self._beat, now + BEAT_S),
            "self_test": _Chore(self._hearing.test, now + TEST_S * random.random()),
            "reports": _Chore(self._parts.outbox.repeat_due, now),
            "power": _Chore(self._tell_power, now),
            "expire": _Chore(lambda: _expire(parts.crew), now + EXPIRE_S),
        }

    def start(self, listener: Listener) -> None:
        """Begin; `listener` is the host's own."""
        self._hearing.listener = listener
        self._parts.driver.listen(self.power_changed)
        self._thread.start()

    def add_chore(self, name: str, act: Callable[[], float]) -> None:
        """Have something else done from time to time: `act` gives the seconds until it is due again. Before `start`."""
        self._chores[name] = _Chore(act, self._parts.clock.monotonic())

    def before_registering(self, act: Callable[[], None]) -> None:
        """Have something done once, before the host first registers; tried again while the hypervisor does not answer."""
        self._prepare = act

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(6.0)

    def alive(self) -> bool:
        """Whether the clockwork runs, and neither the hypervisor nor our own hearing has failed us for long."""
        now = self._parts.clock.monotonic()
        return (
            self._thread.is_alive()
            and now - self._last_tick < HANGS_S
            and now - self._driver_well < HOPELESS_S
            and self._hearing.deaf_for() <= HOPELESS_S
        )

    def tick(self) -> float:
        """Do what is due; give the seconds until something is due again."""
        self._last_tick = self._parts.clock.monotonic()
        for chore in tuple(self._chores.values()):
            if chore.due <= self._parts.clock.monotonic():
                chore.due = float("inf")
                pause = self._attempt(chore.act)
                chore.due = min(chore.due, self._parts.clock.monotonic() + pause)  # it may have been hurried meanwhile
        return max(min(chore.due for chore in self._chores.values()) - self._parts.clock.monotonic(), 0.0)

    def hurry(self, name: str) -> None:
        """Make a chore due now."""
        self._chores[name].due = self._parts.clock.monotonic()
        self._wake.set()

    def welcomed(self, nonce: str, incarnation: int, refused: int | None = None) -> bool:
        """Take the answer to a registration; False when it is not to be followed.

        Only the last registration counts: an earlier one's incarnation is older. An empty nonce asks to register again.
        """
        with self._lock:
            verdict = self._registration.answered(nonce, incarnation, refused)
        if verdict is Verdict.AGAIN:
            self.hurry("register")
        if verdict is Verdict.TAKEN:
            if self._parts.boots is not None:
                self._parts.boots.note()
            self.hurry("beat")  # the guests of the registration may be those of a look before others
        return verdict is Verdict.TAKEN

    def knows(self, incarnation: int) -> bool:
        """Whether a command of this incarnation is to be obeyed. A newer one than ours shows that we missed a Welcome."""
        with self._lock:
            present = self._registration.incarnation
            missed = present is not None and incarnation > present and self._registration.begin_again()
        if missed:
            self.hurry("register")
        return incarnation == present

    def heard_itself(self, number: object) -> None:
        """Take the host's own message."""
        self._hearing.heard(number)

    def begin_look(self) -> tuple[int | None, int]:
        """Number what is seen from now on: give the incarnation and the number."""
        with self._lock:
            return self._registration.begin_look()

    def told(self, server_id: ServerId, power_state: PowerState | None) -> None:
        """Remember what the conductor knows of a guest's power."""
        with self._lock:
            if power_state is None:
                self._known.pop(server_id, None)
            else:
                self._known[server_id] = power_state

    def power_changed(self, server_id: ServerId, power_state: PowerState) -> None:
        """Take an event of the hypervisor; returns at once."""
        incarnation, look = self.begin_look()
        self._power.append(_Change(server_id, power_state, incarnation, look))
        self.hurry("power")

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause = self.tick()
            self._wake.wait(min(pause, HANGS_S / 2))
            self._wake.clear()

    def _attempt(self, act: Callable[[], float]) -> float:
        try:
            return act()
        except errors.Unavailable:
            return RETRY_S  # the transport has said it in the log
        except VirtError as error:
            self._driver_trouble.say(f"The hypervisor does not answer: {error.message}")
            return RETRY_S

    def _register(self) -> float:
        with self._lock:
            nonce = self._registration.next_nonce()
        if nonce is None:
            return AWHILE_S
        if self._prepare is not None:
            self._prepare()
            self._prepare = None
        guests = self._look()
        facts = _facts_of(self._parts)
        booted = self._parts.boots is not None and self._parts.boots.is_new()
        self._parts.conductor.register(
            Registration(host=self._parts.host, nonce=nonce, facts=facts, guests=guests, booted=booted, counts_looks=True)
        )
        self._facts = facts
        self._last_contact = self._parts.clock.monotonic()
        with self._lock:
            return self._registration.pause()

    def _beat(self) -> float:
        incarnation, look = self.begin_look()
        if incarnation is None:
            return RETRY_S
        guests = self._look()
        facts = _facts_of(self._parts)
        now = self._parts.clock.monotonic()
        if now - self._last_contact > OUT_OF_TOUCH_S:
            with self._lock:
                self._registration.begin_again()
            self.hurry("register")
            return RETRY_S
        changed = None if facts == self._facts else facts
        self._parts.conductor.heartbeat(
            Heartbeat(host=self._parts.host, incarnation=incarnation, guests=guests, facts=changed, look=look)
        )
        self._facts = facts
        self._last_contact = now
        return BEAT_S

    def _look(self) -> tuple[GuestState, ...]:
        """List the guests. While the hypervisor does not answer the host says nothing: it can serve nobody."""
        guests = self._parts.driver.list_guests()
        self._driver_well = self._parts.clock.monotonic()
        self._driver_trouble.over("The hypervisor answers again.")
        with self._lock:
            self._known = {guest.server_id: guest.power_state for guest in guests}
        return guests

    def _tell_power(self) -> float:
        while self._power:
            change = self._power.popleft()
            if self._parts.crew.is_busy(change.server_id):
                continue  # the report tells it
            with self._lock:
                known = self._known.get(change.server_id)  # looked at only now: work that ended has told its state
                incarnation = self._registration.incarnation
            if change.incarnation is None or change.incarnation != incarnation or known is change.power_state:
                continue  # the first heartbeat of an incarnation tells it
            self._parts.conductor.power_changed(
                PowerChange(
                    host=self._parts.host,
                    incarnation=change.incarnation,
                    server_id=change.server_id,
                    power_state=change.power_state,
                    look=change.look,
                )
            )
            self.told(change.server_id, change.power_state)
        return AWHILE_S


def _expire(crew: Crew) -> float:
    crew.expire()
    return EXPIRE_S


def _facts_of(parts: MonitorParts) -> HostFacts:
    """Give the hypervisor's facts, and where the host's door is; one that cannot be opened is tried again."""
    facts = parts.driver.facts()
    if parts.door is None:
        return facts
    try:
        return dataclasses.replace(facts, moves=parts.door())
    except OSError as error:
        LOG.warning("The port for moves cannot be had: %s.", error.strerror)
        return facts
