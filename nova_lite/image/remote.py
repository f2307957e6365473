"""Images of the Image service of another region: what is said of them, and their bytes, fetched with the user's token.

Only who keeps the catalogue says where a region's service is, so its address may be a private one; the token goes nowhere
else: redirects are not followed.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from nova_lite import errors
from nova_lite.conf.image import WebRules
from nova_lite.db import identity
from nova_lite.db.engine import Tx
from nova_lite.image.inspect import CONTAINER_FORMATS, DISK_FORMATS
from nova_lite.image.web import Asking, WebFile, open_web
from nova_lite.model.identity import CatalogEndpoint

SERVICE = "image"
# Properties that go with an image, by how their names begin: Glance's [glance_download_properties] extra_properties.
COPIED = ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type")
TRUSTED = WebRules(networks=(ipaddress.IPv4Network("0.0.0.0/0"), ipaddress.IPv6Network("::/0")))
LONGEST_RECORD = 1 << 20
TRIES = 5  # to go on after a cut, without a byte in between
PAUSE_S = 1.0
_VERSION = re.compile(r"/v2(\.\d+)?/?$")
_SHA512, _MD5 = re.compile(r"[0-9a-f]{128}"), re.compile(r"[0-9a-f]{32}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Description:
    """What a remote service says of an image; what was said is checked when the bytes have come."""

    disk_format: str
    container_format: str
    size_bytes: int
    digests: Mapping[str, str]
    properties: Mapping[str, str]


def url_of(tx: Tx, asked: Mapping[str, str]) -> str:
    """Give the address of a remote image's bytes, by the catalogue.

    asked: glance_region, glance_service_interface and glance_image_id of the import
    Raises: BadRequest for a region or an interface without Image service.
    """
    region, interface = asked["glance_region"], asked["glance_service_interface"]
    for one in _endpoints(tx):
        if one.interface == interface and (one.region_id or "").lower() == region.lower():
            return f"{_VERSION.sub('', one.url.rstrip('/'))}/v2/images/{asked['glance_image_id']}/file"
    raise errors.BadRequest(f"The catalog has no {interface[:64]} endpoint of an Image service in the region {region[:64]}.")


def regions(tx: Tx) -> set[str]:
    """Name the regions that have an Image service, by the catalogue. Two statements."""
    return {one.region_id.lower() for one in _endpoints(tx) if one.region_id}


def _endpoints(tx: Tx) -> list[CatalogEndpoint]:
    services = [one.id for one in identity.SERVICES.list_by(tx, type=SERVICE) if one.enabled]
    found = identity.ENDPOINTS.list_by(tx, service_id=services) if services else []
    return [one for one in found if one.enabled]


def describe(url: str, token: str) -> Description:
    """Ask what an image is whose bytes are at `url`. Raises: BadRequest when it is no active one; Unavailable."""
    with_token = Asking(headers={"X-Auth-Token": token}, redirects=0)
    file = open_web(url.removesuffix("/file"), TRUSTED, asking=with_token)
    try:
        data = b""
        while piece := file.read(LONGEST_RECORD):
            data += piece
            if len(data) > LONGEST_RECORD:
                raise errors.BadRequest("The other region says too much of the image.")
    finally:
        file.close()
    try:
        return _description(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise errors.BadRequest("The other region does not answer as an Image service.") from error


def _description(said: dict[str, Any]) -> Description:
    """Raises: BadRequest; ValueError, KeyError and others for what is no image's record."""
    if said["status"] != "active":
        raise errors.BadRequest(f"The image of the other region is {str(said['status'])[:32]}, not active.")
    if said["disk_format"] not in DISK_FORMATS or said["container_format"] not in CONTAINER_FORMATS:
        raise errors.BadRequest("The image of the other region is of a format that is not known here.")
    digests = {}
    if said.get("os_hash_algo") == "sha512" and _SHA512.fullmatch(said.get("os_hash_value") or ""):
        digests["sha512"] = said["os_hash_value"]
    if _MD5.fullmatch(said.get("checksum") or ""):
        digests["md5"] = said["checksum"]
    properties = {
        name: value for name, value in said.items() if name.startswith(COPIED) and isinstance(value, str) and len(name) <= 255
    }
    return Description(
        disk_format=said["disk_format"],
        container_format=said["container_format"],
        size_bytes=int(said["size"]),
        digests=digests,
        properties=properties,
    )


class RemoteFile:
    """The bytes of a remote image. A cut is gone over: what is missing is asked for."""

    def __init__(self, url: str, token: str, length: int, sleep: Callable[[float], None] = time.sleep) -> None:
        """Nothing connects yet."""
        self.length = length
        self._url, self._token, self._sleep = url, token, sleep
        self._received = 0
        self._file: WebFile | None = None

    def read(self, size: int) -> bytes:
        """Give up to `size` bytes; none at the end. Raises: BadRequest; Unavailable when it was cut too often; TooLarge."""
        for left in range(TRIES, -1, -1):
            try:
                data = self._open().read(size) if self._received < self.length else b""
            except errors.Unavailable:
                self.close()
                if not left:
                    raise
                self._sleep(PAUSE_S * (TRIES - left))
                continue
            if data or self._received >= self.length:
                self._received += len(data)
                return data
            self.close()  # it ended early, without having said how much would come
        raise errors.Unavailable("The other region ended before all bytes had come.", what="the other region")

    def close(self) -> None:
        """Let go of it. May be repeated."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> WebFile:
        if self._file is None:
            headers = {"X-Auth-Token": self._token}
            again = {"Range": f"bytes={self._received}-"} if self._received else {}
            asking = Asking(headers=headers | again, redirects=0, status=206 if again else 200)
            self._file = open_web(self._url, TRUSTED, asking=asking)
        return self._file
