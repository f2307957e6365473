"""Answers where a guest's console is, and lets the proxy in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nova_lite import errors
from nova_lite.compute.relay import Relay
from nova_lite.compute.virt.driver import OpenConsole, VirtDriver, VirtError
from nova_lite.model import wire
from nova_lite.rpc.compute import GetConsole

NO_CONSOLE = "no_console"


class Asking(Protocol):
    """How the hypervisor is asked: so many at once, and no more."""

    def ask(self, question: Callable[[VirtDriver], OpenConsole | None], /) -> OpenConsole | None:
        """Ask. Raises: NotFound; Unavailable."""


class Consoles:
    """The handler of GetConsole."""

    def __init__(self, asking: Asking, relay: Relay) -> None:
        """Nothing listens before the first console is asked for."""
        self._asking = asking
        self._relay = relay

    def get_console(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handle GetConsole.

        Raises: NotFound; Conflict for a guest that does not run; BadRequest for a kind that it does not have; Unavailable.
        """
        message = wire.from_plain(GetConsole, body)

        def look(driver: VirtDriver) -> OpenConsole | None:
            try:
                return driver.consoles.find(message.server_id, message.kind)
            except VirtError as error:
                if error.code == NO_CONSOLE:
                    raise errors.BadRequest(error.message) from error
                raise

        console = self._asking.ask(look)
        if console is None:
            raise errors.Conflict("The guest does not run.")
        plain: Mapping[str, Any] = wire.to_plain(self._relay.place(console if message.lets_in else None))
        return plain
