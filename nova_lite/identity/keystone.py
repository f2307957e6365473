"""Tokens of an outside Keystone, checked by keystonemiddleware.

Its WSGI filter stands before nothing but an open door here: whoever comes through has shown a good token. So all services
keep one order of work (version, token, body, rule), and every refusal has the service's own shape. The library asks Keystone
as the service user, remembers answers for a while, knows service tokens and keeps the access rules of application credentials.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from keystoneauth1 import exceptions, loading
from keystonemiddleware import auth_token
from oslo_config import cfg

from nova_lite import errors
from nova_lite.conf.identity import KeystoneOptions
from nova_lite.context import Context
from nova_lite.identity.port import Call

GROUP = "keystone_authtoken"
MEMORY = "nova_lite.token_memory"  # where in the environment the library finds what it remembers
FOUND = "keystone.token_auth"  # and where it leaves what it found out
AWAY = "Keystone does not answer at the moment."
REMEMBERED = 10_000
LONGEST = 8192
CACHE_S = 60  # how long an answer about a token counts: so long may a revoked one still be let in
CONNECT_S = 5
RETRIES = 1
RETRY_AFTER_S = 5


class TokenMemory:
    """What Keystone said about tokens, for a while: of so many tokens, the longest unused ones leave first.

    The library's own memory is one a thread, and grows for ever.
    """

    def __init__(self, size: int = REMEMBERED, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds from anywhere."""
        self._size = size
        self._clock = clock
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def get(self, key: str) -> Any:
        """Give what is remembered, or None."""
        with self._lock:
            until, value = self._held.get(key, (0.0, None))
            if value is None or until <= self._clock():
                self._held.pop(key, None)
                return None
            self._held.move_to_end(key)
            return value

    def set(self, key: str, value: Any, time: float) -> None:
        """Remember for `time` seconds."""
        with self._lock:
            self._held[key] = (self._clock() + time, value)
            self._held.move_to_end(key)
            while len(self._held) > self._size:
                self._held.popitem(last=False)


class KeystoneTokens:
    """Checks tokens with the outside Keystone; one of the library's filters for each type of service that is served."""

    def __init__(self, options: KeystoneOptions, services: Iterable[str], memory: TokenMemory | None = None) -> None:
        """Nothing connects before the first token."""
        self._memory = memory or TokenMemory()
        self._filters = {service: _make_filter(options, service) for service in (*services, "")}

    def check(self, token: str, request_id: str, call: Call | None = None) -> Context:
        """Give who holds the token. Raises: Unauthorized; Unavailable while Keystone cannot be asked."""
        call = call or Call(service="", method="GET", path="/")
        if not (_may_be_token(token) and _may_be_token(call.service_token or "")):
            raise errors.Unauthorized
        environment = self._environment(token, call)
        status = _pass(self._filters[call.service if call.service in self._filters else ""], environment)
        if status.startswith("503"):
            raise errors.Unavailable(AWAY, retry_after_s=RETRY_AFTER_S)
        if not status.startswith("200"):
            raise errors.Unauthorized
        return _context_of(environment, request_id)

    def _environment(self, token: str, call: Call) -> dict[str, Any]:
        """Make the request as the filter wants to see it: only what it looks at."""
        environment = {
            "REQUEST_METHOD": call.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": call.path,
            "HTTP_X_AUTH_TOKEN": token,
            MEMORY: self._memory,
        }
        if call.service_token:
            environment["HTTP_X_SERVICE_TOKEN"] = call.service_token
        return environment


def _may_be_token(text: str) -> bool:
    """Whether a text can be sent to Keystone in a header at all."""
    return len(text) <= LONGEST and text.isascii() and text.isprintable()


def _pass(gate: auth_token.AuthProtocol, environment: dict[str, Any]) -> str:
    """Send a request through the filter; give the status of the answer. Raises: Unavailable."""
    seen: list[str] = []

    def start(status: str, _headers: object, _error: object = None) -> None:
        seen.append(status)

    try:
        gate(environment, start)
    except exceptions.ClientException as error:
        raise errors.Unavailable(AWAY, retry_after_s=RETRY_AFTER_S) from error
    return seen[-1]


def _open_door(_environment: dict[str, Any], start: Callable[[str, list[Any]], Any]) -> list[bytes]:
    """Let everybody in whom the filter has let through."""
    start("200 OK", [])
    return []


def _make_filter(options: KeystoneOptions, service: str) -> auth_token.AuthProtocol:
    """Make the library's filter with options of its own: the operator sets ours."""
    conf = cfg.ConfigOpts()
    conf([], project="nova-lite", default_config_files=[], default_config_dirs=[])
    loading.register_auth_conf_options(conf, GROUP)
    conf.register_opts(loading.get_auth_plugin_conf_options("v3password"), group=GROUP)
    for name, value in _login(options).items():
        conf.set_override(name, value, group=GROUP)
    settings = {
        "oslo_config_config": conf,
        "www_authenticate_uri": options.auth_url,
        "cafile": options.ca_file,
        "cache": MEMORY,
        "token_cache_time": CACHE_S,
        "http_connect_timeout": CONNECT_S,
        "http_request_max_retries": RETRIES,
        "service_token_roles_required": True,
        "region_name": options.region,
        "interface": "public",
        "service_type": service or None,
    }
    return auth_token.AuthProtocol(_open_door, settings)


def _login(options: KeystoneOptions) -> dict[str, str]:
    return {
        "auth_type": "v3password",
        "auth_url": options.auth_url,
        "username": options.user,
        "password": options.password,
        "project_name": options.project,
        "user_domain_name": options.domain,
        "project_domain_name": options.domain,
    }


def _context_of(environment: dict[str, Any], request_id: str) -> Context:
    """Give the caller that Keystone's answer speaks of; implied roles are in it already."""
    seen, service = environment[FOUND].user, environment[FOUND].service
    return Context(
        request_id=request_id,
        user_id=seen.user_id,
        user_name=seen.username,
        user_domain_id=seen.user_domain_id,
        project_id=seen.project_id,
        project_name=seen.project_name,
        project_domain_id=seen.project_domain_id,
        domain_id=seen.domain_id,
        system_scope="all" if seen.system_scoped and seen.system.get("all") else None,
        roles=frozenset(name.lower() for name in seen.role_names),
        service_roles=frozenset(name.lower() for name in service.role_names) if service else frozenset(),
        token_expires_at=seen.expires.timestamp(),
        audit_id=seen.audit_id,
    )
