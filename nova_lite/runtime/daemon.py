"""The frame of every daemon: configuration, logging, signals, systemd, the health page, an orderly end.

Exit codes: 0 after a signal, 70 when the daemon is not alive any more, 75 (EX_TEMPFAIL) when what it needs was away for the
whole minute that a start waits, 78 (EX_CONFIG) when the configuration is not usable, 1 for what else went wrong at the
start. On anything but 0 and 78 systemd or the supervisor starts it again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Protocol

from oslo_config import cfg

from nova_lite import errors
from nova_lite.conf import daemon as daemon_conf
from nova_lite.conf.load import load
from nova_lite.runtime import logging as one_line
from nova_lite.runtime.health import HealthServer
from nova_lite.runtime.sd_notify import notify, watchdog_s
from nova_lite.runtime.waiting import start_when_there

LOG = logging.getLogger(__name__)
EXIT_NOT_ALIVE = 70
EXIT_AWAY = 75
EXIT_CONFIG = 78
LOOK_S = 5.0
LEFT_S = 2.0
NOT_ALIVE_FOR_S = 30.0
DRAIN_S = 9.0  # from the signal to the end of the process, whatever hangs; an operator is promised ten
HEALTH_PORTS = {"conductor": 8781, "scheduler": 8782, "compute": 8783, "console": 8784}


class Service(Protocol):
    """What a daemon does."""

    def start(self) -> None:
        """Begin; return when requests can be served.

        Raises: Unavailable, with nothing begun, when it is to be called again soon; NovaLiteError when that cannot be.
        """

    def stop(self) -> None:
        """Take no more work, let what is in hand finish, close. Cut off 9 seconds after the signal."""

    def alive(self) -> bool:
        """Whether the work goes on: no thread that must run has ended or hangs. Answers at once."""


def run(name: str, build: Callable[[cfg.ConfigOpts], Service], argv: Sequence[str] | None = None) -> int:
    """Run a daemon until SIGTERM or SIGINT; give the exit code. A second signal ends the process at once."""
    try:
        conf = load(sys.argv[1:] if argv is None else argv, program=f"nova-lite-{name}")
        options = daemon_conf.read(conf)
        one_line.set_up(name, debug=options.debug)
        stopping = _catch_signals()
        service = build(conf)
        health = _health_server(name, options, service)
    except errors.ConfigError as error:
        return _refuse(name, error)
    except errors.NovaLiteError as error:
        LOG.error("The daemon could not be built: %s", error.message)
        return 1
    return _serve(name, service, health, stopping)


def _serve(name: str, service: Service, health: HealthServer | None, stopping: threading.Event) -> int:
    try:
        if not start_when_there(service.start, stopping):
            return 0
    except errors.ConfigError as error:
        return _refuse(name, error)
    except errors.Unavailable as error:
        LOG.error("The daemon could not start, and ends to be started again: %s", error.message)
        return EXIT_AWAY
    except errors.NovaLiteError as error:
        LOG.error("The daemon could not start: %s", error.message)
        return 1
    if health is not None:
        health.start()
    if not stopping.is_set():
        notify("READY=1")
        LOG.info("The daemon is ready.", extra={"action": "start"})
    code = _watch(service, stopping)
    stopping.set()
    notify("STOPPING=1")
    LOG.info("The daemon ends.", extra={"action": "stop"})
    service.stop()
    if health is not None:
        health.stop()
    _end_after(LEFT_S, code)  # threads that hang on a broker or a hypervisor must not keep the process
    return code


def _refuse(name: str, error: errors.ConfigError) -> int:
    sys.stderr.write(f"nova-lite-{name}: {error.message}\n")
    return EXIT_CONFIG


def _watch(service: Service, stopping: threading.Event) -> int:
    """Look at the service until a signal comes; tell systemd's watchdog only what was seen."""
    asked = watchdog_s()
    pause = min(LOOK_S, asked / 3) if asked else LOOK_S
    last_alive = time.monotonic()
    while not stopping.wait(pause):
        if service.alive():
            last_alive = time.monotonic()
            notify("WATCHDOG=1")
        elif time.monotonic() - last_alive > NOT_ALIVE_FOR_S:
            LOG.error("The daemon is not alive any more; it ends to be started again.")
            return EXIT_NOT_ALIVE
    return 0


def _catch_signals() -> threading.Event:
    """Have the first signal set the event, which bounds what is left of the process, and the second end it."""
    stopping = threading.Event()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    def bound() -> None:
        stopping.wait()
        time.sleep(DRAIN_S)
        LOG.warning("The daemon did not end in time; what was in hand goes on after the next start, or elsewhere.")
        os._exit(1)

    # From the signal on, not from the end of the start: a start may hang on a database or a broker.
    threading.Thread(target=bound, name="drain", daemon=True).start()
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    return stopping


def _end_after(seconds: float, code: int) -> None:
    """End the process after that time if it is still there then."""
    timer = threading.Timer(seconds, lambda: os._exit(code))
    timer.daemon = True
    timer.start()


def _health_server(name: str, options: daemon_conf.DaemonOptions, service: Service) -> HealthServer | None:
    port = options.health_port if options.health_port is not None else HEALTH_PORTS.get(name, 0)
    return HealthServer(port, service.alive) if port else None
