"""One compute host put together: hypervisor, ledger, crew, clockwork and handlers. A process may hold many simulated ones."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nova_lite.clock import Clock
from nova_lite.compute.boots import Boots
from nova_lite.compute.caching import ImageFetcher
from nova_lite.compute.crew import Crew
from nova_lite.compute.ledger import Ledger
from nova_lite.compute.monitor import Monitor, MonitorParts
from nova_lite.compute.moving.door import Door
from nova_lite.compute.passwords import PasswordDesk
from nova_lite.compute.relay import Relay
from nova_lite.compute.reports import Outbox
from nova_lite.compute.service import ComputeService, ServiceParts
from nova_lite.compute.virt.driver import VirtDriver
from nova_lite.model.ids import HostName
from nova_lite.rpc import compute as conversation
from nova_lite.rpc.conductor import ConductorClient
from nova_lite.rpc.port import Listener, Transport

THREADS = 4
FETCHER_S = 1.0
DRAIN_S = 4.0  # of the nine seconds that a process has from its signal on


@dataclasses.dataclass(frozen=True, kw_only=True)
class Doors:
    """What a host reaches. `folder` is its own: `<state_dir>/compute/<host>`."""

    host: HostName
    folder: Path
    transport: Transport
    driver: VirtDriver
    clock: Clock
    door: Door | None = None  # None: nothing moves from here to other hosts
    boots: Boots | None = None  # None: a boot of the machine starts no guests
    relay: Relay = dataclasses.field(default_factory=Relay)


class ComputeHost:
    """A host that runs. Its guests outlive it."""

    def __init__(self, doors: Doors) -> None:
        """Nothing is sent and no guest is touched before `start`."""
        self._doors = doors
        conductor = ConductorClient(doors.transport)
        self._ledger = Ledger(doors.folder / "ledger.db", doors.clock)
        self.outbox = Outbox(self._ledger, conductor, doors.clock)
        self.crew = Crew(doors.clock)
        self.monitor = Monitor(
            MonitorParts(
                host=doors.host,
                driver=doors.driver,
                conductor=conductor,
                transport=doors.transport,
                outbox=self.outbox,
                crew=self.crew,
                clock=doors.clock,
                door=doors.door.open if doors.door is not None else None,
                boots=doors.boots,
            )
        )
        if doors.door is not None:
            doors.door.add(doors.host, doors.driver.moves.offer_of, doors.driver.live.live_of)
        self.service = ComputeService(
            ServiceParts(
                host=doors.host,
                driver=doors.driver,
                ledger=self._ledger,
                outbox=self.outbox,
                crew=self.crew,
                monitor=self.monitor,
                clock=doors.clock,
                progress=conductor,
                relay=doors.relay,
            )
        )
        self.fetcher = ImageFetcher(doors.driver)
        self.passwords = PasswordDesk(doors.host, self._ledger, self.outbox)
        doors.driver.listen_to_passwords(self.passwords.take)
        self.monitor.add_chore("owed", self.service.obey_tombstones)
        self.listener: Listener | None = None

    def start(self) -> None:
        """Listen, adopt the guests that are here, and register. Returns soon, also while broker or hypervisor are away."""
        self.monitor.before_registering(self._adopt)
        handlers = {**self.service.handlers(), "cache_images": self.fetcher.cache_images}
        self.listener = self._doors.transport.serve(conversation.address(self._doors.host), handlers, threads=THREADS)
        self.monitor.start(self.listener)

    def _adopt(self) -> None:
        self._ledger.forget_absent({guest.server_id for guest in self._doors.driver.list_guests()})
        self._doors.driver.adopt()

    def stop(self) -> None:
        """Take no more commands, stop the work in hand (commands are repeated after the next start), let go."""
        if self.listener is not None:
            self.listener.stop()
        self._doors.relay.stop()
        self.crew.stop(DRAIN_S)
        self.fetcher.stop(FETCHER_S)
        self.monitor.stop()
        self._doors.transport.close()
        self._doors.driver.close()
        self._ledger.close()

    def alive(self) -> bool:
        """Whether the clockwork runs, the hypervisor answers and the host hears."""
        return self.monitor.alive()
