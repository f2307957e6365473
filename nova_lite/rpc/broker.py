"""Sets RabbitMQ up: one virtual host, the control side's user, one user for each host, and how long messages are kept.

All of it goes to `rabbitmqctl import_definitions` as one JSON text on standard input: one quick call that may be repeated,
and no password in a process list. A host's user reads its own queues only, and sends to `conductor`, to whoever asked it
something (`reply.`) and to itself; since it may not write to the default exchange, it reaches no other queue.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import secrets
import subprocess
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import amqp.exceptions
import kombu
import kombu.exceptions

from nova_lite import errors
from nova_lite.conf.broker import BrokerOptions
from nova_lite.rpc.diagnosis import what_is_wrong
from nova_lite.rpc.files import write_secret

VHOST = "nova-lite"
USER = "nova-lite"
EXCHANGE = "amq.topic"
_USER = "host-"
_QUEUE = "compute."
CTL_S = 60.0
CONNECT_S = 3.0
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
NODE_DOWN = 69  # sysexits.h: EX_UNAVAILABLE
MINUTE_MS = 60_000
SHARED = ("conductor", "consoles", "scheduler")  # queues from which any daemon of its kind receives
# What waits for a daemon that is away is repeated by its sender anyway; without limits a dead host's queue would only grow.
POLICIES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "answers": (r"^reply\.", {"expires": MINUTE_MS}),
    "daemons": (r"^(conductor|scheduler|consoles)\.", {"expires": 60 * MINUTE_MS, "message-ttl": 5 * MINUTE_MS}),
    "conductor": (r"^conductor$", {"message-ttl": 5 * MINUTE_MS, "max-length": 100_000}),
    "scheduler": (r"^scheduler$", {"message-ttl": 15_000, "max-length": 10_000}),
    "consoles": (r"^consoles$", {"message-ttl": 15_000, "max-length": 10_000}),
    "hosts": (r"^compute\.", {"message-ttl": 10 * MINUTE_MS, "max-length": 10_000}),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class BrokerStatus:
    """How the broker looks from here. `queues`: waiting messages and receivers of each queue of the control side."""

    well: bool
    problem: str | None = None
    version: str | None = None
    queues: Mapping[str, tuple[int, int]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ctl:
    """How to call `rabbitmqctl`, which only root may; tests name another node in `environment`."""

    command: Sequence[str] = ("rabbitmqctl",)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def run(self, *arguments: str, text: str = "", must_work: bool = True) -> str:
        """Run one command; give what it prints. Raises: ConfigError when it is not installed; Unavailable."""
        try:
            done = subprocess.run(
                [*self.command, "--quiet", *arguments],
                input=text,
                env={**os.environ, "PATH": search_path(), **self.environment},
                capture_output=True,
                text=True,
                timeout=CTL_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise errors.ConfigError(f"{self.command[0]} is not installed (Debian package rabbitmq-server).") from error
        except subprocess.TimeoutExpired as error:
            raise errors.Unavailable(f"rabbitmqctl {arguments[0]} took over {CTL_S:.0f} seconds.") from error
        if done.returncode == NODE_DOWN:
            raise errors.Unavailable("RabbitMQ does not run on this machine.")
        if done.returncode != 0 and must_work:  # its words are not shown: definitions have passwords
            raise errors.Unavailable(f"rabbitmqctl {arguments[0]} failed with exit code {done.returncode}; root may call it.")
        return done.stdout


def search_path() -> str:
    """Say where `rabbitmqctl` is looked for: also where only root's shells look."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin"


MACHINE = Ctl()


def setup(options: BrokerOptions, ctl: Ctl = MACHINE) -> str:
    """Make virtual host, user, rights, queues and policies; give the URL. May be repeated, the password stays.

    Raises: ConfigError; Unavailable when RabbitMQ does not run here.
    """
    url = options.url or f"amqp://{USER}:{secrets.token_urlsafe(24)}@127.0.0.1:5672/{VHOST}"
    definitions = _control_definitions(_parts(url))
    if not options.url:
        write_secret(options.url_file, (url + "\n").encode("utf-8"))
    ctl.run("import_definitions", text=json.dumps(definitions))
    return url


def add_host_user(options: BrokerOptions, name: str, *, password: str | None = None, ctl: Ctl = MACHINE) -> str:
    """Make a host's user with that or a new password; give the URL for its join file. May be repeated.

    Raises: BadRequest for a name that is no host name; ConfigError; Unavailable.
    """
    check_host_name(name)
    password = password or secrets.token_urlsafe(24)
    definitions = _host_definitions(name, password, _parts(options.url).vhost)
    ctl.run("import_definitions", text=json.dumps(definitions))
    return host_url(options.url, name, password)


def add_host_users(options: BrokerOptions, passwords: Mapping[str, str], *, ctl: Ctl = MACHINE) -> None:
    """Make the users of many hosts, by name, in one call. May be repeated. Raises as `add_host_user`."""
    vhost = _parts(options.url).vhost
    definitions: dict[str, list[Any]] = {}
    for name, password in passwords.items():
        check_host_name(name)
        for kind, entries in _host_definitions(name, password, vhost).items():
            definitions.setdefault(kind, []).extend(entries)
    ctl.run("import_definitions", text=json.dumps(definitions))


def remove_host_user(options: BrokerOptions, name: str, *, ctl: Ctl = MACHINE) -> None:
    """Take a host's user away, cut its connections, delete its queues. May be repeated. Raises: Unavailable."""
    check_host_name(name)
    vhost = _parts(options.url).vhost
    ctl.run("delete_user", host_user(name), must_work=False)
    ctl.run("close_all_user_connections", host_user(name), "The host was removed.", must_work=False)
    for queue in (f"compute.{name}", f"compute.{name}.{name}"):
        ctl.run("delete_queue", "--vhost", vhost, queue, must_work=False)


def list_hosts(options: BrokerOptions, ctl: Ctl = MACHINE) -> set[str]:
    """Give the names of the hosts that have a user with rights here, or a queue. Raises: Unavailable."""
    vhost = _parts(options.url).vhost
    users = json.loads(ctl.run("list_permissions", "--vhost", vhost, "--formatter", "json"))
    queues = json.loads(ctl.run("list_queues", "--vhost", vhost, "--formatter", "json", "name"))
    named = {user["user"].removeprefix(_USER) for user in users if user["user"].startswith(_USER)}
    return named | {found for queue in queues if (found := _host_of_queue(queue["name"]))}


def _host_of_queue(name: str) -> str | None:
    """Give the host of a queue `compute.NAME`, `compute.NAME.NAME` or `compute.NAME_fanout_...`; None for other queues."""
    if not name.startswith(_QUEUE):
        return None
    host = name.removeprefix(_QUEUE).partition("_")[0]
    half = len(host) // 2
    return host[:half] if _is_doubled(host) else host


def password_of(url: str) -> str:
    """Give the password in a URL: to keep a host's when its join file is written anew. Raises: ConfigError."""
    return _parts(url).password


def broker_status(options: BrokerOptions) -> BrokerStatus:
    """Connect as the daemons do and look at the control side's queues; takes some seconds at most, never raises."""
    if not options.url:
        return BrokerStatus(well=False, problem="No broker was set up: `nova-lite broker setup` does it.")
    parts = _parts(options.url)
    problem = None
    for host, port in parts.places:
        try:
            return _look(options, parts, host, port)
        except (amqp.exceptions.AMQPError, kombu.exceptions.KombuError, OSError) as error:
            problem = what_is_wrong(error, f"{host}:{port}")
    return BrokerStatus(well=False, problem=problem)


def host_user(name: str) -> str:
    """Give the broker's name for a host's user."""
    return f"{_USER}{name}"


def host_url(control_url: str, name: str, password: str) -> str:
    """Give the URL for a host's join file: the control side's, with the host's user."""
    parts = _parts(control_url)
    quoted = urllib.parse.quote(password, safe="")
    places = ",".join(f"{host_user(name)}:{quoted}@{_bracketed(host)}:{port}" for host, port in parts.places)
    return f"{parts.scheme}://{places}/{urllib.parse.quote(parts.vhost, safe='')}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Parts:
    """What a broker's URL says."""

    scheme: str
    user: str
    password: str
    places: tuple[tuple[str, int], ...]
    vhost: str


def _parts(url: str) -> _Parts:
    """Take a URL apart. Raises: ConfigError; the URL is not shown."""
    scheme, _, rest = url.partition("://")
    nodes, _, vhost = rest.partition("/")
    try:
        parsed = [urllib.parse.urlsplit(f"{scheme}://{node}") for node in nodes.split(",")]
        standard = 5671 if scheme == "amqps" else 5672
        places = tuple((node.hostname or "127.0.0.1", node.port or standard) for node in parsed)
    except ValueError as error:
        raise errors.ConfigError("[broker] url is not usable.") from error
    user, password = parsed[0].username, parsed[0].password
    if scheme not in ("amqp", "amqps") or not user or not password or not vhost:
        raise errors.ConfigError("[broker] url has to look like amqp://user:password@host:5672/vhost.")
    return _Parts(
        scheme=scheme,
        user=urllib.parse.unquote(user),
        password=urllib.parse.unquote(password),
        places=places,
        vhost=urllib.parse.unquote(vhost),
    )


def _look(options: BrokerOptions, parts: _Parts, host: str, port: int) -> BrokerStatus:
    ssl = {"ca_certs": options.ca_file or CA_BUNDLE, "server_hostname": host} if parts.scheme == "amqps" else False
    with kombu.Connection(  # type: ignore[no-untyped-call]
        hostname=host,
        port=port,
        userid=parts.user,
        password=parts.password,
        virtual_host=parts.vhost,
        connect_timeout=CONNECT_S,
        ssl=ssl,
        transport="pyamqp",
    ) as connection:
        connection.connect()
        version = connection.connection.server_properties.get("version")
        queues: dict[str, tuple[int, int]] = {}
        for name in SHARED:
            _, waiting, receivers = connection.channel().queue_declare(name, passive=True)
            queues[name] = (waiting, receivers)
    return BrokerStatus(well=True, version=str(version), queues=queues)


def _control_definitions(parts: _Parts) -> dict[str, Any]:
    vhost = parts.vhost
    names = SHARED
    return {
        "vhosts": [{"name": vhost}],
        "users": [{"name": parts.user, "password": parts.password, "tags": ""}],
        "permissions": [{"user": parts.user, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}],
        "policies": [
            {
                "vhost": vhost,
                "name": name,
                "pattern": pattern,
                "apply-to": "queues",
                "definition": dict(definition),
                "priority": 0,
            }
            for name, (pattern, definition) in POLICIES.items()
        ],
        "queues": [
            {"vhost": vhost, "name": name, "durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}}
            for name in names
        ],
        "bindings": [
            {
                "vhost": vhost,
                "source": EXCHANGE,
                "destination": name,
                "destination_type": "queue",
                "routing_key": name,
                "arguments": {},
            }
            for name in names
        ],
    }


def _host_definitions(name: str, password: str, vhost: str) -> dict[str, Any]:
    user = host_user(name)
    quoted = re.escape(name)
    own = rf"compute\.{quoted}(\.{quoted}|_fanout(_[0-9a-f]+)?)?"
    return {
        "users": [{"name": user, "password": password, "tags": ""}],
        "permissions": [
            {
                "user": user,
                "vhost": vhost,
                "configure": f"^{own}$",
                "write": rf"^({own}|amq\.topic)$",
                "read": rf"^({own}|amq\.topic)$",
            }
        ],
        "topic_permissions": [
            {
                "user": user,
                "vhost": vhost,
                "exchange": EXCHANGE,
                "write": rf"^(conductor|reply\.[0-9a-f]+\.caller|compute\.{quoted}\.{quoted})$",
                "read": rf"^compute\.{quoted}(\.{quoted})?$",
            }
        ],
    }


def check_host_name(name: str) -> None:
    """Refuse what is no host name, and names whose queues could be another's (`a.a` has the queue of `a` at `a`)."""
    if not HOST_NAME.fullmatch(name) or _is_doubled(name):
        raise errors.BadRequest(f"{name!r} cannot be the name of a host: letters, digits, dots and dashes, at most 63.")


def _is_doubled(name: str) -> bool:
    half = len(name) // 2
    return len(name) % 2 == 1 and name[half] == "." and name[:half] == name[half + 1 :]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
