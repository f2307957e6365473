"""The cloud as its users see it: its public APIs, spoken with keystoneauth1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3

from nova_lite import errors

MICROVERSION = "2.79"  # only what every release since long keeps
TIMEOUT_S = 30


class Cloud:
    """One user's session. Answers are the JSON objects of the APIs."""

    def __init__(self, entry: dict[str, Any]) -> None:
        """`entry` is the user's entry in clouds.yaml."""
        auth = v3.Password(**entry["auth"])
        self._session = session.Session(auth=auth, timeout=TIMEOUT_S, connect_retries=2)

    def get(self, service: str, path: str) -> Any:
        """Read."""
        return self._request(service, path, "GET").json()

    def post(self, service: str, path: str, body: Any) -> Any:
        """Make something, or act; gives None where the answer is empty."""
        answer = self._request(service, path, "POST", json=body)
        return answer.json() if answer.content else None

    def delete(self, service: str, path: str) -> None:
        """Delete; what is gone already is success."""
        try:
            self._request(service, path, "DELETE")
        except errors.NotFound:
            return

    def upload(self, path: str, source: Path) -> None:
        """Send a file as the bytes of an image."""
        with source.open("rb") as stream:
            headers = {"Content-Type": "application/octet-stream"}
            self._request("image", path, "PUT", data=_chunks(stream), headers=headers)

    def _request(self, service: str, path: str, method: str, **arguments: Any) -> Any:
        headers = arguments.pop("headers", {})
        if service == "compute":
            headers["OpenStack-API-Version"] = f"compute {MICROVERSION}"
        try:
            return self._session.request(
                path, method, endpoint_filter={"service_type": service, "interface": "public"}, headers=headers, **arguments
            )
        except exceptions.NotFound as error:
            raise errors.NotFound(str(error)) from error
        except exceptions.HttpError as error:
            raise errors.Conflict(f"{method} {path}: {error}") from error
        except exceptions.ClientException as error:
            raise errors.Unavailable(f"The {service} API does not answer: {error}") from error


def _chunks(stream: Any) -> Iterator[bytes]:
    while chunk := stream.read(1 << 20):
        yield chunk
