"""The few calls of Swift's API that a store makes, in one container; each of them may be repeated, and is when one fails.

Logins: Keystone's (version 3), and the first one of Swift itself, with X-Auth-User, as TempAuth has it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import hashlib
import logging
import os
import threading
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from keystoneauth1 import exceptions, plugin, session
from keystoneauth1.identity import v3

from nova_lite import errors
from nova_lite.image.stores.credentials import lacking, read_credentials

logging.getLogger("keystoneauth.session").setLevel(logging.ERROR)  # its warnings are of tries that we tell the end of
LOG = logging.getLogger(__name__)
SECTION = "swift"
NEEDED = "user and key, application_credential_id and application_credential_secret, or username, password and project_name"
PASSWORD_FIELDS = frozenset(
    f"{noun}_{field}" for noun in ("user", "project") for field in ("id", "domain_id", "domain_name")
) | {"username", "password", "project_name"}
TRIES = 3  # after the first one, with pauses of half a second and more
TIMEOUT_S = (5.0, 60.0)  # to connect; between two signs of life of an answer
AGAIN = [408, 429, 498, 500, 502, 503, 504]
FULL = frozenset({413, 507})
NOT_FOUND, HELD, BEHIND_THE_END = 404, 412, 416


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A container, what names of objects in it begin with, and where to log in. `endpoint`: else the catalog's."""

    container: str
    prefix: str = ""
    auth_url: str
    credentials: Path
    region: str | None = None
    interface: str = "public"
    endpoint: str | None = None
    cafile: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """An object as a listing shows it. `age_s`: by Swift's clock."""

    name: str
    size: int
    etag: str
    age_s: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Segment:
    """A part of a large object: its name, and what it must be."""

    name: str
    size: int
    etag: str


class SwiftApi:
    """One container. Names are those behind the prefix."""

    def __init__(self, place: Place) -> None:
        """Nothing connects, and no credentials are read, before the first use."""
        self._place = place
        self._lock = threading.Lock()
        self._session: tuple[int, session.Session] | None = None

    def put(self, name: str, data: bytes) -> Segment:
        """Write an object; Swift compares what comes with its MD5. Raises: InsufficientStorage; Unavailable."""
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        self._call("PUT", name, data=data, headers={"ETag": etag})
        return Segment(name=name, size=len(data), etag=etag)

    def put_first(self, name: str, data: bytes) -> bool:
        """Write an object unless there is one of this name; tell whether. Raises: as `put`."""
        return bool(self._call("PUT", name, (HELD,), data=data, headers={"If-None-Match": "*"}).status_code != HELD)

    def put_manifest(self, name: str, segments: Sequence[Segment]) -> Segment:
        """Make one large object of others, which Swift looks at first. Raises: Unavailable, also when one is not as it was."""
        listed = [
            {"path": f"/{self._place.container}/{self._place.prefix}{one.name}", "etag": one.etag, "size_bytes": one.size}
            for one in segments
        ]
        answer = self._call("PUT", name, data=orjson.dumps(listed), params={"multipart-manifest": "put"})
        with translated():
            return Segment(name=name, size=sum(one.size for one in segments), etag=answer.headers["Etag"].strip('"'))

    def head(self, name: str) -> Segment | None:
        """Tell how large an object is; None when it is not there. Raises: Unavailable."""
        answer = self._call("HEAD", name, (NOT_FOUND,), headers={"X-Newest": "true"})
        if answer.status_code == NOT_FOUND:
            self._require_container()
            return None
        with translated():
            return Segment(name=name, size=int(answer.headers["Content-Length"]), etag=answer.headers["Etag"].strip('"'))

    def read(self, name: str) -> tuple[bytes, float] | None:
        """Give a small object and its age in seconds; None when it is not there. Raises: Unavailable."""
        answer = self._call("GET", name, (NOT_FOUND,), headers={"X-Newest": "true"})
        if answer.status_code == NOT_FOUND:
            self._require_container()
            return None
        with translated():
            return bytes(answer.content), _age_s(answer, email.utils.parsedate_to_datetime(answer.headers["Last-Modified"]))

    def open(self, name: str, start: int, length: int) -> tuple[Any, int] | None:
        """Ask for a part of an object; give the answer, whose bytes are still to come, and how many that are.

        None when it is not there. Raises: Unavailable.
        """
        part = {"Range": f"bytes={start}-{start + max(length, 1) - 1}", "Accept-Encoding": "identity"}
        answer = self._call("GET", name, (NOT_FOUND, BEHIND_THE_END), headers=part, stream=True)
        if answer.status_code == 206:
            with translated():
                return answer, min(length, int(answer.headers["Content-Length"]))
        answer.close()
        if answer.status_code == NOT_FOUND:
            self._require_container()
            return None
        if answer.status_code == BEHIND_THE_END:
            return answer, 0
        raise _away("gives something else than the part that it was asked for")

    def delete(self, name: str) -> None:
        """Remove an object. May be repeated. Raises: Unavailable."""
        self._call("DELETE", name, (NOT_FOUND,))

    def entries(self, prefix: str) -> list[Entry]:
        """List objects. Raises: Unavailable."""
        with translated():
            return [
                Entry(
                    name=one["name"].removeprefix(self._place.prefix), size=one["bytes"], etag=one["hash"],
                    age_s=_age_s(answer, datetime.datetime.fromisoformat(one["last_modified"]).replace(tzinfo=datetime.UTC)),
                )
                for answer, one in self._listed(prefix, {})
            ]  # fmt: skip

    def folders(self, prefix: str) -> list[str]:
        """List what stands between `prefix` and the next slash. Raises: Unavailable."""
        with translated():
            found = [one["subdir"] for _, one in self._listed(prefix, {"delimiter": "/"}) if "subdir" in one]
        return [name.removeprefix(self._place.prefix + prefix).rstrip("/") for name in found]

    def _listed(self, prefix: str, more: Mapping[str, str]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Give each entry of all pages, with the answer it came in."""
        query = {"format": "json", "prefix": self._place.prefix + prefix, **more}
        while True:
            answer = self._call("GET", None, params=query)
            page = orjson.loads(answer.content or b"[]")
            yield from ((answer, one) for one in page)
            if not page:
                return
            query["marker"] = page[-1].get("name") or page[-1]["subdir"]

    def _require_container(self) -> None:
        """See that an object alone is missing: without its container it is an outage, and no lost image."""
        self._call("HEAD", None)

    def _call(self, method: str, name: str | None, expected: Sequence[int] = (), **more: Any) -> Any:
        """Ask, and give an answer that is good, or `expected`. Raises: InsufficientStorage; Unavailable."""
        path = "/" + urllib.parse.quote(self._place.container)
        if name is not None:
            path += "/" + urllib.parse.quote(self._place.prefix + name)
        place = self._place
        where = {"service_type": "object-store", "interface": place.interface, "region_name": place.region}
        with translated():
            answer = self._connected().request(
                path, method, authenticated=True, endpoint_filter=where, endpoint_override=place.endpoint, raise_exc=False,
                log=False, redirect=False, connect_retries=TRIES, status_code_retries=TRIES, retriable_status_codes=AGAIN,
                timeout=TIMEOUT_S, **more,
            )  # fmt: skip
        if answer.status_code < 300 or answer.status_code in expected:
            return answer
        answer.close()
        if answer.status_code in FULL:
            raise errors.InsufficientStorage("The image store is full.")
        raise _away(f"answers {answer.status_code} to {method}")

    def _connected(self) -> session.Session:
        """Give the session, one for each process: it must not outlive a fork. Raises: ConfigError."""
        with self._lock:
            if self._session is None or self._session[0] != os.getpid():
                made = session.Session(auth=_login(self._place), verify=self._place.cafile or True, timeout=TIMEOUT_S[1])
                self._session = os.getpid(), made
            return self._session[1]


class FirstLogin(plugin.BaseAuthPlugin):
    """Swift's own login: a name and a key in headers, for an address and a token. It goes nowhere else if it is sent there."""

    def __init__(self, auth_url: str, user: str, key: str) -> None:
        """Nothing connects yet."""
        super().__init__()
        self._auth_url = auth_url
        self._secrets = {"X-Auth-User": user, "X-Auth-Key": key}
        self._found: tuple[str, str] | None = None

    def get_token(self, session: session.Session, **_more: Any) -> str:
        """Give the token. Raises: keystoneauth's."""
        return self._logged_in(session)[1]

    def get_endpoint(self, session: session.Session, **_more: Any) -> str:
        """Give the account's address. Raises: keystoneauth's."""
        return self._logged_in(session)[0]

    def invalidate(self) -> bool:
        """Forget the token; the next use logs in anew."""
        self._found = None
        return True

    def _logged_in(self, session: session.Session) -> tuple[str, str]:
        found = self._found
        if found is None:
            answer = session.get(self._auth_url, authenticated=False, log=False, redirect=False, headers=self._secrets)
            if not {"X-Storage-Url", "X-Auth-Token"} <= {name.title() for name in answer.headers}:
                raise exceptions.EndpointNotFound("no X-Storage-Url")
            found = self._found = answer.headers["X-Storage-Url"], answer.headers["X-Auth-Token"]
        return found


def _login(place: Place) -> plugin.BaseAuthPlugin:
    """Make the login that the file of credentials is for. Raises: ConfigError; no value is quoted."""
    values: dict[str, Any] = {**read_credentials(place.credentials, SECTION, NEEDED)}
    names = set(values)
    if names == {"user", "key"}:
        return FirstLogin(place.auth_url, values["user"], values["key"])
    if names == {"application_credential_id", "application_credential_secret"}:
        return v3.ApplicationCredential(place.auth_url, **values)
    scoped = names & {"project_name", "project_id"}
    if names <= PASSWORD_FIELDS and "password" in names and names & {"username", "user_id"} and scoped:
        if not names & {"user_id", "user_domain_id"}:
            values.setdefault("user_domain_name", "Default")
        if not names & {"project_id", "project_domain_id"}:
            values.setdefault("project_domain_name", "Default")
        return v3.Password(place.auth_url, **values)
    raise lacking(place.credentials, SECTION, NEEDED)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Make our errors of keystoneauth's and of a cut connection's. Only their kind is told: texts may quote requests."""
    try:
        yield
    except errors.ConfigError as error:  # of the credentials, which are read at the first use
        raise _away(error.message, "cannot be asked") from None
    except (exceptions.ClientException, OSError) as error:  # those of requests are OSErrors
        raise _away(type(error).__name__, "does not answer") from None
    except (KeyError, ValueError):  # of headers and JSON
        raise _away("answers what is no answer of Swift's") from None


def _away(why: str, what: str = "") -> errors.Unavailable:
    LOG.error("The image store %s", f"{what}: {why}" if what else why, extra={"action": "store"})
    return errors.Unavailable("The image store does not work at the moment.", what="the image store")


def _age_s(answer: Any, changed: datetime.datetime) -> float:
    """Give how old something is by the storage's clock, which says the time in each answer."""
    return (email.utils.parsedate_to_datetime(answer.headers["Date"]) - changed).total_seconds()
