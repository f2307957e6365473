"""Guests on libvirt, paused, suspended to a managed save file, and asked by QEMU's guest agent."""

from __future__ import annotations

from collections.abc import Callable

import libvirt

from nova_lite.compute.virt.driver import VirtError
from nova_lite.compute.virt.libvirt import agent, domains
from nova_lite.model.guest import PowerState
from nova_lite.model.ids import ServerId

PAUSE_S = 60.0
SAVE_S = 540.0  # a guest's memory has to be written: less than the step's time
AGENT_S = 60.0
ANSWER_S = 45  # of the agent itself: less, so that it is the guest's silence and not the hypervisor's
ADMINISTRATOR = "root"
NO_AGENT = (
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    libvirt.VIR_ERR_AGENT_UNSYNCED,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
)
Act = Callable[[ServerId, domains.DomainAct, float], None]


class LibvirtStates:
    """Fulfils GuestStates."""

    def __init__(self, power: Callable[[ServerId], PowerState], act: Act, rewire: Callable[[ServerId], object]) -> None:
        """`power` and `act` are the driver's: both raise VirtError with code `no_guest`. `rewire` plugs what was ordered."""
        self._power = power
        self._act = act
        self._rewire = rewire

    def pause(self, server_id: ServerId) -> PowerState:
        """Stop the CPUs."""
        power = self._power(server_id)
        if power is PowerState.PAUSED:
            return power
        _require(power, PowerState.RUNNING)
        self._act(server_id, lambda domain: domain.suspend(), PAUSE_S)
        return PowerState.PAUSED

    def suspend(self, server_id: ServerId) -> PowerState:
        """Have libvirt save the guest; its next start goes on from there."""
        power = self._power(server_id)
        if power is PowerState.SUSPENDED:
            return power
        _require(power, PowerState.RUNNING, PowerState.PAUSED)
        self._act(server_id, domains.save, SAVE_S)
        return PowerState.SUSPENDED

    def set_password(self, server_id: ServerId, user: str | None, password: str) -> None:
        """Ask the guest's agent. What libvirt says is not repeated: it may say the password."""
        _require(self._power(server_id), PowerState.RUNNING)

        def ask(domain: libvirt.virDomain) -> None:
            try:
                agent.give_time(domain, ANSWER_S)
                domain.setUserPassword(user or ADMINISTRATOR, password, 0)
            except libvirt.libvirtError as error:
                if error.get_error_code() in NO_AGENT:
                    raise VirtError(
                        "The guest's agent does not answer, or refuses the password.", code="no_agent", host_at_fault=False
                    ) from None
                raise VirtError("The password could not be set.", code="password", host_at_fault=False) from None

        self._act(server_id, ask, AGENT_S)

    def interrupt(self, server_id: ServerId) -> None:
        """Inject an NMI."""
        _require(self._power(server_id), PowerState.RUNNING, PowerState.PAUSED)
        self._act(server_id, lambda domain: domain.injectNMI(0), PAUSE_S)

    def rewire(self, server_id: ServerId) -> None:
        """Plug the taps again and serve the metadata."""
        self._power(server_id)
        self._rewire(server_id)


def _require(power: PowerState, *wanted: PowerState) -> None:
    if power not in wanted:
        raise VirtError("The guest does not run.", code="not_running", host_at_fault=False)
