"""`nova-lite-api`: the public APIs under gunicorn.

A doorman accepts connections, workers with threads serve them, and one worker serves nobody but operators: what the others
are busy with is not in its way. The first process looks after all of them.
"""

from __future__ import annotations

import argparse
import enum
import functools
import gc
import logging
import resource
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import falcon
import prometheus_client
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from nova_lite import errors
from nova_lite.api import services
from nova_lite.api.app import make_app
from nova_lite.api.build import Built, build
from nova_lite.api.doorman import Doorman
from nova_lite.api.handoff import Handoff
from nova_lite.api.lanes import Lane
from nova_lite.api.turned_away import Answers, TurnedAway
from nova_lite.api.worker import Logger, Worker
from nova_lite.conf import api as api_conf
from nova_lite.conf import daemon as daemon_conf
from nova_lite.conf.load import load
from nova_lite.db import version
from nova_lite.runtime import logging as one_line
from nova_lite.runtime.daemon import EXIT_AWAY, EXIT_CONFIG
from nova_lite.runtime.sd_notify import notify
from nova_lite.runtime.waiting import start_when_there

LOG = logging.getLogger(__name__)
BACKLOG = 1024
KEEPALIVE_S = 75
DRAIN_S = 8  # for the requests in hand; an operator is promised that all is over in ten
CONNECTIONS = 4000  # a request that waits is an open connection; what is not taken waits where nobody can tell whose it is
OTHER_FILES = 200  # of a process: to the database, the broker, image files
SWITCH_S = 0.0005  # so that the thread that takes connections is not kept waiting by those that are at work


class Place(enum.Enum):
    """What a process is for."""

    SERVING = "requests"
    OPERATORS = "operators' looks"
    DOOR = "connections"


class Watched(Arbiter):  # type: ignore[misc]
    """gunicorn's first process, which looks after the others and tells systemd's watchdog so."""

    _ending = False

    def __init__(self, door: Door) -> None:
        """Make the ways between the processes, which outlive each of them."""
        self._handoff = Handoff()
        self._door = door
        super().__init__(door)

    def spawn_worker(self) -> int:
        """Start a process for the first place that nobody has; gunicorn's method."""
        wanted = Counter({Place.SERVING: self.num_workers - 2, Place.OPERATORS: 1, Place.DOOR: 1})
        free = wanted - Counter(worker.place for worker in self.WORKERS.values())
        self.worker_class = functools.partial(self._make, next(iter(free), Place.SERVING))
        return int(super().spawn_worker())

    def _make(self, place: Place, *arguments: Any) -> Worker | Doorman:
        made: Worker | Doorman
        if place is Place.DOOR:
            made = Doorman(*arguments).attend(self._handoff, self._door.answers, self._door.turned_away)
        else:
            own = [lane for lane in Lane if (lane is Lane.OPERATOR) == (place is Place.OPERATORS)]
            made = Worker(*arguments).attend(self._handoff, own)
        made.place = place
        return made

    def murder_workers(self) -> None:
        """End workers that give no sign of life any more; about once a second."""
        super().murder_workers()
        notify("WATCHDOG=1")

    def stop(self, graceful: bool = True) -> None:
        """End the workers; gunicorn's method."""
        self._ending = graceful
        self._handoff.end_writing()  # from now on the doorman's end is seen by those whom it hands connections to
        super().stop(graceful)

    def reap_workers(self) -> None:
        """Bury workers that ended; gunicorn's method, called each tenth of a second while it stops.

        Those that live are asked again then: a worker that had just been forked has lost the first signal.
        """
        super().reap_workers()
        if self._ending:
            self.kill_workers(signal.SIGTERM)


class Door(BaseApplication):
    """gunicorn with our settings: no command line, no files and no control socket of its own."""

    def __init__(
        self, app: falcon.App, built: Built, answers: Answers, listener: socket.socket, *, underscores: bool = False
    ) -> None:
        """`listener` is bound already, so that a taken port is told clearly; underscores: names of headers may have some."""
        self._underscores = underscores
        self.answers = answers
        self.turned_away = TurnedAway()
        prometheus_client.REGISTRY.register(self.turned_away)
        self._app = app
        self._built = built
        self._options = built.parts.options
        self._listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Say how to serve."""
        settings: dict[str, Any] = {
            "bind": [f"fd://{self._listener.fileno()}"],
            "worker_class": Worker,
            "workers": self._options.workers + len((Place.OPERATORS, Place.DOOR)),
            "threads": self._options.threads,
            "worker_connections": connections_within(raise_file_limit()),
            "keepalive": KEEPALIVE_S,
            "graceful_timeout": DRAIN_S,
            "preload_app": True,
            "control_socket_disable": True,
            "logger_class": Logger,
            "limit_request_line": 8190,
            "limit_request_fields": 100,
            "limit_request_field_size": 16384,
            "proc_name": "nova-lite-api",
            # Image API v1 says x-image-meta-disk_format. No header of ours that a proxy would write is believed by its name.
            "header_map": "dangerous" if self._underscores else "drop",
            "when_ready": _when_ready,
            "post_worker_init": self._after_fork,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Serve until a signal comes."""
        Watched(self).run()

    def load(self) -> falcon.App:
        """Give the application, made before the fork."""
        return self._app

    def _after_fork(self, worker: Any) -> None:
        """Start what has threads in each process that serves requests."""
        if worker.place is Place.DOOR:
            return
        sys.setswitchinterval(SWITCH_S)
        for start in self._built.start:
            start()


def raise_file_limit() -> int:
    """Have as many open files as the machine lets this process have, and need; give how many. systemd begins with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def connections_within(files: int) -> int:
    """Say how many connections a process takes that may have so many open files: without one left it could not even accept."""
    return max(64, min(CONNECTIONS, files - OTHER_FILES))


def _when_ready(_arbiter: Any) -> None:
    """Keep what all workers share out of their garbage collections, so that its pages stay shared."""
    LOG.info("The APIs are ready.", extra={"action": "start"})
    gc.collect()
    gc.freeze()


def listen(options: api_conf.ApiOptions) -> socket.socket:
    """Bind the port. Raises: ConfigError when it is taken, or the address is not this machine's."""
    family = socket.AF_INET6 if ":" in options.listen else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.listen, options.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise errors.ConfigError(f"[api] listen, port: {options.listen}:{options.port}: {error.strerror}.") from error
    return listener


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; give the exit code as `runtime.daemon` has them."""
    parser = argparse.ArgumentParser(prog="nova-lite-api", add_help=False)
    parser.add_argument("--services", help="Names of the APIs to serve, by commas; all but image-v1 by default.")
    own, rest = parser.parse_known_args(sys.argv[1:] if argv is None else argv)
    try:
        conf = load(rest, program="nova-lite-api")
        one_line.set_up("api", debug=daemon_conf.read(conf).debug)
        built = build(conf)
        start_when_there(functools.partial(version.require, built.parts.database), threading.Event())  # a signal ends it here
        built.parts.database.dispose()  # a connection must not live through the fork
        names = own.services.split(",") if own.services else None
        app = make_app(built.parts, names)
        listener = listen(built.parts.options)
    except errors.ConfigError as error:
        sys.stderr.write(f"nova-lite-api: {error.message}\n")
        return EXIT_CONFIG
    except errors.Unavailable as error:
        LOG.error("The APIs could not start, and end to be started again: %s", error.message)
        return EXIT_AWAY
    Door(app, built, Answers(services.load(names)), listener, underscores=services.OLD_IMAGE in (names or ())).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
