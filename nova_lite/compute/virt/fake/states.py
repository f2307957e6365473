"""Guests of the fake driver, paused and suspended. Its guests have an agent that knows everybody."""

from __future__ import annotations

from collections.abc import Callable

from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.fake.guests import Guests
from nova_lite.compute.virt.fake.mishaps import Mishaps
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId

Changed = Callable[[ServerId, PowerState], PowerState]


class FakeStates:
    """Fulfils GuestStates in the file of guests."""

    def __init__(self, guests: Guests, mishaps: Mishaps, changed: Changed) -> None:
        """`changed` tells who listens."""
        self._guests = guests
        self._mishaps = mishaps
        self._changed = changed

    def pause(self, server_id: ServerId) -> PowerState:
        """Write the guest down as paused."""
        return self._hold("pause", server_id, PowerState.PAUSED)

    def suspend(self, server_id: ServerId) -> PowerState:
        """Write the guest down as suspended."""
        return self._hold("suspend", server_id, PowerState.SUSPENDED)

    def set_password(self, server_id: ServerId, user: str | None, password: str) -> None:
        """Count it, and write down whose it is: the password itself is not kept."""
        self._count("set_password", server_id, "passwords", administrator=user)

    def interrupt(self, server_id: ServerId) -> None:
        """Count it."""
        self._count("interrupt", server_id, "interrupts")

    def rewire(self, server_id: ServerId) -> None:
        """Count it: there are no taps."""
        self._mishaps.befall("rewire")
        with self._guests.lock:
            guest = self._guests.get(server_id)
            guest["rewired"] = guest.get("rewired", 0) + 1
            self._guests.save()

    def _hold(self, method: str, server_id: ServerId, held: PowerState) -> PowerState:
        self._mishaps.befall(method)
        with self._guests.lock:
            guest = self._guests.get(server_id)
            if guest["power_state"] == held:
                return held
            if guest["power_state"] not in (PowerState.RUNNING, PowerState.PAUSED):
                raise not_running()
            guest["power_state"] = held.value
            self._guests.save()
        return self._changed(server_id, held)

    def _count(self, method: str, server_id: ServerId, what: str, **more: str | None) -> None:
        self._mishaps.befall(method)
        with self._guests.lock:
            guest = self._guests.get(server_id)
            if guest["power_state"] not in (PowerState.RUNNING, PowerState.PAUSED):
                raise not_running()
            guest[what] = guest.get(what, 0) + 1
            guest.update(more)
            self._guests.save()


def not_running() -> VirtError:
    """Make the error of what only a running guest can do."""
    return VirtError("The guest does not run.", code="not_running", host_at_fault=False)
