"""Commands in, reports out: what a compute host does with each message (ENGINE.md, Commands and reports)."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from nova_lite import errors, metrics
from nova_lite.clock import Clock
from nova_lite.compute import uptime
from nova_lite.compute.consoles import Consoles
from nova_lite.compute.crew import Act, Crew, Work
from nova_lite.compute.disks.tool import FULL, FULL_CODE, FULL_SAID
from nova_lite.compute.effort import Effort
from nova_lite.compute.ledger import TOMBSTONE, Kind, Ledger, Notice, Outcome, Task, task_of
from nova_lite.compute.monitor import Monitor
from nova_lite.compute.relay import Relay
from nova_lite.compute.reports import Outbox
from nova_lite.compute.virt.driver import Stopped, VirtDriver, VirtError
from nova_lite.compute.works import WORKS, CommandWork
from nova_lite.model import wire
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import HostName, ServerId
from nova_lite.model.migration import Progress
from nova_lite.rpc.commands import CommandHead
from nova_lite.rpc.compute import AckReport, ForceLive, GetConsoleOutput, GetDiagnostics, Tombstone, Welcome
from nova_lite.rpc.conductor import Fault, MoveProgress, ProgressPort, Report, TombstoneDone
from nova_lite.rpc.port import Handler

LOG = logging.getLogger(__name__)
M = TypeVar("M")
CONSOLE_BYTES = 150 * 1024  # as JSON, six times as much at the worst, it fits into a message
QUESTIONS = 2  # asked of the hypervisor at once; half of the threads that messages come in by
RETRY_OWED_S = 10.0
GATE_S = 1.0
Future = concurrent.futures.Future[PowerState | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServiceParts:
    """What the handlers stand on."""

    host: HostName
    driver: VirtDriver
    ledger: Ledger
    outbox: Outbox
    crew: Crew
    monitor: Monitor
    clock: Clock
    progress: ProgressPort | None = None  # None: nobody wants to know how far moves are
    relay: Relay = dataclasses.field(default_factory=Relay)


class Questions:
    """What is asked of the hypervisor at once: so many, and no more."""

    def __init__(self, driver: VirtDriver, most: int) -> None:
        """`most` is less than the threads that messages come in by."""
        self._driver = driver
        self._free = threading.BoundedSemaphore(most)

    def ask(self, question: Callable[[VirtDriver], M]) -> M:
        """Ask. Raises: NotFound; Unavailable when the hypervisor does not answer, or is asked too much."""
        if not self._free.acquire(blocking=False):
            raise errors.Unavailable("The host has other questions to answer; try again in a few seconds.")
        try:
            return question(self._driver)
        except VirtError as error:
            if error.code == "no_guest":
                raise errors.NotFound(error.message) from error
            raise errors.Unavailable(error.message) from error
        finally:
            self._free.release()


def get_uptime(_body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tell how long the host is up. Raises: Unavailable."""
    return {"uptime": uptime.sentence()}


class ComputeService:
    """The handlers of a host's address (rpc/compute.py). They only take and give: the crew does the work."""

    def __init__(self, parts: ServiceParts) -> None:
        """Commands are refused until a Welcome has told the incarnation."""
        self._parts = parts
        self._owed: dict[ServerId, Tombstone] = {}
        self._nothing_owed = threading.Event()
        self._nothing_owed.set()
        self._questions = Questions(parts.driver, QUESTIONS)
        self._consoles = Consoles(self._questions, parts.relay)

    def handlers(self) -> dict[str, Handler]:
        """Give the handlers by method name."""
        return {
            **{work.command.method: functools.partial(self.take, work) for work in WORKS},
            "welcome": self.welcome,
            "ack_report": self.ack_report,
            "self_test": self.self_test,
            "get_console_output": self.get_console_output,
            "get_diagnostics": self.get_diagnostics,
            "get_console": self._consoles.get_console,
            "get_uptime": get_uptime,
            "force_live": self.force_live,
        }

    def take(self, work: CommandWork, body: Mapping[str, Any]) -> None:
        """Take a command: its work is done, joined, or answered for again."""
        command = _read(work.command, body)

        def act(stop: threading.Event) -> PowerState | None:
            if work.makes_guests:
                self._wait_for_removals(stop)
            return work.act(self._parts.driver, command, stop)

        self._take(command.head, act, work)

    def welcome(self, body: Mapping[str, Any]) -> None:
        """Handle Welcome: commands of this incarnation are obeyed from now on; what is owed is removed first.

        One without a nonce reminds of removals, or asks to register again.
        """
        message = _read(Welcome, body)
        with self._parts.crew.lock:
            reminds = not message.nonce and bool(message.tombstones) and self._parts.monitor.knows(message.incarnation)
            if not reminds and not self._parts.monitor.welcomed(message.nonce, message.incarnation, message.refused):
                return
            self._owed = {tombstone.server_id: tombstone for tombstone in message.tombstones}
            self._look_whether_owed()
        said = "The host owes removals." if reminds else "The host is registered."
        LOG.info(said, extra={"incarnation": message.incarnation, "owed": len(message.tombstones)})
        self.obey_tombstones()

    def ack_report(self, body: Mapping[str, Any]) -> None:
        """Handle AckReport."""
        self._parts.outbox.acknowledge(_read(AckReport, body).report_id)

    def self_test(self, body: Mapping[str, Any]) -> None:
        """Handle the host's own message."""
        self._parts.monitor.heard_itself(body.get("number"))

    def get_console_output(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle GetConsoleOutput. Raises: NotFound; Unavailable when the hypervisor does not answer, or is asked too much.

        A slow hypervisor must not take all threads that commands come in by.
        """
        message = _read(GetConsoleOutput, body)
        output = self._questions.ask(lambda driver: driver.console_output(message.server_id, message.lines))
        return {"output": output[-CONSOLE_BYTES:].decode("utf-8", errors="replace")}

    def get_diagnostics(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle GetDiagnostics. Raises: NotFound; Conflict for a guest that does not run; Unavailable as above."""
        message = _read(GetDiagnostics, body)
        found = self._questions.ask(lambda driver: driver.diagnostics(message.server_id))
        if found is None:
            raise errors.Conflict("The guest does not run.")
        plain: Mapping[str, Any] = wire.to_plain(found)
        return plain

    def force_live(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle ForceLive. Raises: NotFound; Unavailable as above."""
        message = _read(ForceLive, body)
        self._questions.ask(lambda driver: driver.live.force(message.server_id))
        return {}

    def obey_tombstones(self) -> float:
        """Begin the removals that are owed and not in hand; give the seconds until this should be looked at again."""
        with self._parts.crew.lock:
            said = [self._obey(tombstone) for tombstone in tuple(self._owed.values())]
        for say in said:
            if say is not None:
                say()
        return RETRY_OWED_S

    def _obey(self, tombstone: Tombstone) -> Callable[[], None] | None:
        """Begin a removal, unless it is in hand; give what is to be said when there is nothing to remove."""
        if not self._parts.ledger.enter_tombstone(tombstone):
            LOG.info("A guest is spared: it was made after its removal was asked.", extra={"server_id": tombstone.server_id})
            return self._strike_out(tombstone)
        self._parts.crew.give(
            Work(
                server_id=tombstone.server_id,
                task=Task(operation_id=TOMBSTONE, step=f"{tombstone.fence}.{tombstone.turn}", unwinding=True),
                act=lambda stop: self._parts.driver.remove_guest(tombstone.server_id),
                finish=lambda work, future: self._removed(tombstone, future),
            )
        )
        return None

    def _removed(self, tombstone: Tombstone, future: Future) -> Callable[[], None] | None:
        fault = _fault_of(future.exception())
        if fault is not None:
            LOG.warning("A removal that is owed failed; it is tried again.", extra={"server_id": tombstone.server_id})
            return None
        return self._strike_out(tombstone)

    def _strike_out(self, tombstone: Tombstone) -> Callable[[], None]:
        """Note that a removal is no longer owed; give what tells the conductor."""
        if self._owed.get(tombstone.server_id) == tombstone:
            del self._owed[tombstone.server_id]
        self._look_whether_owed()
        report_id = str(uuid.uuid4())
        message = TombstoneDone(
            report_id=report_id,
            host=self._parts.host,
            server_id=tombstone.server_id,
            fence=tombstone.fence,
            turn=tombstone.turn,
        )
        notice = Notice(id=report_id, kind=Kind.TOMBSTONE_DONE, server_id=tombstone.server_id, message=message)
        self._parts.ledger.add_notice(notice)
        return lambda: self._parts.outbox.send(notice)

    def _look_whether_owed(self) -> None:
        if self._owed:
            self._nothing_owed.clear()
        else:
            self._nothing_owed.set()

    def _wait_for_removals(self, stop: threading.Event) -> None:
        """Hold new guests until the removals that are owed are done: their room may be needed."""
        while not self._nothing_owed.wait(GATE_S):
            if stop.is_set():
                raise Stopped

    def _take(self, head: CommandHead, act: Act, work: CommandWork) -> None:
        """Have a command's work done, join it, or answer again what was done before. Refuses what is late."""
        with self._parts.crew.lock:
            if not self._parts.monitor.knows(head.incarnation):
                metrics.COMMANDS_REFUSED.labels("incarnation").inc()
                LOG.info("A command of another incarnation is refused.", extra=_about(head))
                return
            entry = self._parts.ledger.enter(head)
            if entry.late:
                metrics.COMMANDS_REFUSED.labels("late").inc()
                LOG.info("A late command is refused.", extra=_about(head))
                return
            if entry.outcome is None:
                self._parts.crew.give(
                    Work(
                        server_id=head.server_id,
                        task=task_of(head),
                        act=act,
                        finish=self._conclude,
                        head=head,
                        builds=work.makes_guests,
                        sends=work.sends,
                        deadline=self._parts.clock.monotonic() + max(head.time_left_s, 0.0),
                        effort=Effort(tell=functools.partial(self._tell, head)),
                    )
                )
                return
            say = self._report(head, entry.outcome)
        if say is not None:
            say()

    def _tell(self, head: CommandHead, progress: Progress) -> None:
        """Tell the conductors how far a work is; when the broker is away they learn it the next time."""
        if self._parts.progress is None:
            return
        message = MoveProgress(
            host=self._parts.host, server_id=head.server_id, operation_id=head.operation_id, progress=progress
        )
        with contextlib.suppress(errors.Unavailable):
            self._parts.progress.move_progress(message)

    def _conclude(self, work: Work, future: Future) -> Callable[[], None] | None:
        """Write down what came of a command's work; give what sends the report. A stopped work has nothing to report."""
        if work.head is None:
            return None
        error = future.exception()
        if isinstance(error, Stopped) and not work.expired:
            return None
        fault = _fault_of(error)
        power_state = None if fault else future.result()
        if fault is not None:
            LOG.warning("A command failed: %s", fault.message, extra={**_about(work.head), "code": fault.code})
        if fault is not None and fault.code == INTERNAL:
            LOG.error("What failed is an error of ours.", exc_info=error, extra=_about(work.head))
        outcome = Outcome(
            attempt=work.head.attempt,
            fault=fault,
            power_state=power_state,
            worked_s=work.effort.seconds,
            image_bytes=_image_bytes_of(work),
        )
        return self._report(work.head, outcome)

    def _report(self, head: CommandHead, outcome: Outcome) -> Callable[[], None] | None:
        look_incarnation, look = self._parts.monitor.begin_look()
        report = Report(
            id=str(uuid.uuid4()),
            host=self._parts.host,
            incarnation=head.incarnation,
            server_id=head.server_id,
            operation_id=head.operation_id,
            step=head.step,
            unwinding=head.unwinding,
            attempt=head.attempt,
            fence=head.fence,
            turn=head.turn,
            fault=outcome.fault,
            power_state=outcome.power_state,
            worked_s=outcome.worked_s,
            image_bytes=outcome.image_bytes,
            look_incarnation=look_incarnation,
            look=look,
        )
        notice = Notice(id=report.id, kind=Kind.REPORT, server_id=head.server_id, message=report)
        if not self._parts.ledger.conclude(head.server_id, task_of(head), outcome, notice):
            return None
        self._parts.monitor.told(head.server_id, outcome.power_state)
        return lambda: self._parts.outbox.send(notice)


INTERNAL = "internal"


def _image_bytes_of(work: Work) -> int | None:
    """Give what a work fetched of an image. That the image was here is worth a word of a build only.

    A guest that the hypervisor forgot is made anew over its disks when it is turned on, which looks at their image too.
    """
    return work.effort.image_bytes if work.builds else work.effort.image_bytes or None


def _fault_of(error: BaseException | None) -> Fault | None:
    """Say what went wrong in words for the server's owner."""
    if error is None:
        return None
    if isinstance(error, VirtError):
        return Fault(code=error.code, message=error.message, host_at_fault=error.host_at_fault)
    if isinstance(error, Stopped):
        return Fault(code="timeout", message="The host did not finish in time.", host_at_fault=True)
    if isinstance(error, OSError) and error.errno in FULL:
        return Fault(code=FULL_CODE, message=FULL_SAID, host_at_fault=True)
    if isinstance(error, OSError):
        reason = error.strerror or type(error).__name__
        return Fault(code="os", message=f"The host's system refused: {reason}.", host_at_fault=True)
    return Fault(code=INTERNAL, message="The host failed unexpectedly.", host_at_fault=True)


def _about(head: CommandHead) -> dict[str, object]:
    return {
        "request_id": head.request_id,
        "operation_id": head.operation_id,
        "server_id": head.server_id,
        "step": head.step,
        "pair": f"{head.fence}.{head.turn}",
    }


def _read(kind: type[M], body: Mapping[str, Any]) -> M:
    try:
        return wire.from_plain(kind, body)
    except ValueError as error:
        raise errors.BadRequest(f"The message is no {kind.__name__}.") from error
