"""An outside Keystone as its API shows it, spoken with keystoneauth1."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from nova_lite import errors
from nova_lite.conf.identity import KeystoneOptions

logging.getLogger("keystoneauth.session").setLevel(logging.ERROR)  # its warnings are of tries that we tell the end of
TIMEOUT_S = 30
MOST_PAGES = 10_000


class Outside:
    """One user's session. Answers are the JSON objects of Keystone's API."""

    def __init__(self, auth: dict[str, Any], *, ca_file: str | None = None) -> None:
        """`auth` is that of an entry in clouds.yaml. Nothing connects yet. Raises: ConfigError."""
        try:
            plugin = v3.Password(**auth)
        except TypeError as error:
            raise errors.ConfigError("Keystone wants a login with a password: username, password, a scope.") from error
        self.auth_url = str(auth["auth_url"]).rstrip("/")
        self._session = session.Session(auth=plugin, verify=ca_file or True, timeout=TIMEOUT_S, connect_retries=1)

    def log_in(self) -> None:
        """Get a token now. Raises: Unauthorized when Keystone refuses us; Unavailable when it does not answer."""
        try:
            self._session.get_token()
        except exceptions.Unauthorized as error:
            raise errors.Unauthorized(f"Keystone at {self.auth_url} refuses the login.") from error
        except exceptions.ClientException as error:
            raise errors.Unavailable(f"Keystone at {self.auth_url} does not answer: {_reason(error)}.") from error

    def roles(self) -> set[str]:
        """Give the names of the roles we have where we logged in. Raises: as `log_in`."""
        self.log_in()
        access = self._session.auth.get_access(self._session)
        return {name.lower() for name in access.role_names}

    def get(self, path: str, **query: Any) -> Any:
        """Read one. Raises: NotFound."""
        return self._request("GET", path, params=query).json()

    def list(self, noun: str, path: str | None = None, **query: Any) -> Iterator[dict[str, Any]]:
        """Read all pages of a collection; `noun` is its key, and its path below /v3 when no other is given."""
        address: str | None = f"{self._root}/{path or noun}"
        for _ in range(MOST_PAGES):
            answer = self._request("GET", str(address), params=query).json()
            yield from answer[noun]
            address, query = (answer.get("links") or {}).get("next"), {}
            if not address:
                return

    def find(self, noun: str, **query: Any) -> dict[str, Any] | None:
        """Read the first that has these values, or None."""
        return next(self.list(noun, **query), None)

    def create(self, noun: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make something; `noun` is the key of the body. Raises: Conflict."""
        made: dict[str, Any] = self._request("POST", path, json={noun: body}).json()[noun]
        return made

    def change(self, noun: str, path: str, body: dict[str, Any]) -> None:
        """Change something."""
        self._request("PATCH", path, json={noun: body})

    def put(self, path: str) -> None:
        """Grant a role, or let one imply another. May be repeated."""
        self._request("PUT", path)

    def has(self, path: str) -> bool:
        """Tell whether something is there, as HEAD says it."""
        try:
            self._request("HEAD", path)
        except errors.NotFound:
            return False
        return True

    @property
    def _root(self) -> str:
        return self.auth_url if self.auth_url.endswith("/v3") else f"{self.auth_url}/v3"

    def _request(self, method: str, path: str, **arguments: Any) -> Any:
        address = path if path.startswith("http") else f"{self._root}/{path}"
        try:
            return self._session.request(address, method, **arguments)
        except exceptions.NotFound as error:
            raise errors.NotFound(f"Keystone: {error.message}") from error
        except exceptions.Conflict as error:
            raise errors.Conflict(f"Keystone: {error.message}") from error
        except exceptions.Forbidden as error:
            raise errors.Forbidden(f"Keystone: {error.message}") from error
        except exceptions.Unauthorized as error:
            raise errors.Unauthorized(f"Keystone at {self.auth_url} refuses the login.") from error
        except exceptions.ClientException as error:
            raise errors.Unavailable(f"Keystone at {self.auth_url} does not answer: {_reason(error)}.") from error


def _reason(error: exceptions.ClientException) -> str:
    """Say in a few words what the library tells with whole tracebacks of addresses."""
    if isinstance(error, exceptions.SSLError):
        return "its certificate is not trusted, and ca_file may name who signed it"
    if isinstance(error, exceptions.ConnectTimeout):
        return f"nothing came within {TIMEOUT_S} seconds"
    if isinstance(error, exceptions.ConnectFailure):
        return "no connection can be made"
    if isinstance(error, exceptions.DiscoveryFailure):
        return "no Identity API of version 3 is found there"
    if isinstance(error, exceptions.HttpError):
        return f"it says {error.http_status}"
    return str(error)


def of_service_user(options: KeystoneOptions) -> Outside:
    """Give the session of the service user that checks tokens."""
    return Outside(
        {
            "auth_url": options.auth_url,
            "username": options.user,
            "password": options.password,
            "project_name": options.project,
            "user_domain_name": options.domain,
            "project_domain_name": options.domain,
        },
        ca_file=options.ca_file,
    )
