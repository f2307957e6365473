"""Images as objects of S3, or of what speaks its language: `kept/<key>` when finished, parts of a multipart upload before.

An object `alive/<key>` shows that an upload lives, with the process that writes it: on the same machine one looks whether that
process is there; else the object must not be older, by the storage's own clock, than its writer may be silent. Writers renew it
with each part. Whoever was held for dead cannot finish: the parts are gone, and the image is not its own any more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import logging
import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import orjson
from botocore import exceptions as boto_errors
from botocore.config import Config

from nova_lite import errors
from nova_lite.image.stores import writers
from nova_lite.image.stores.base import KEY, Swept, checked, key_in
from nova_lite.image.stores.credentials import lacking, read_credentials
from nova_lite.image.stores.writers import lives, this_process

LOG = logging.getLogger(__name__)
SCHEME = "s3"
NEEDED = "access_key and secret_key"
KEPT, ALIVE, PARTS = "kept/", "alive/", "parts/"
PART_BYTES = 20 << 20  # of the first 1000 parts; twice that of the next ones, and so on: 10,000 parts hold 1 TiB
ORPHAN_AGE_S = 60.0
MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload"})
BEHIND_THE_END = "InvalidRange"
FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"})
PATIENCE = Config(
    connect_timeout=5, read_timeout=30, retries={"max_attempts": 4, "mode": "standard"}, max_pool_connections=32,
    # Many that speak S3 do not know the newer checksums; what is stored is hashed by us in any case.
    request_checksum_calculation="when_required", response_checksum_validation="when_required",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """A bucket, and what names of objects in it begin with. `credentials`: a file; None: the environment, as boto3 reads it."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    credentials: Path | None = None


def read_keys(path: Path) -> tuple[str, str]:
    """Read access key and secret of `[s3] access_key, secret_key`. Raises: ConfigError, also when others may read the file."""
    values = read_credentials(path, SCHEME, NEEDED)
    try:
        return values["access_key"], values["secret_key"]
    except KeyError:
        raise lacking(path, SCHEME, NEEDED) from None


class S3Store:
    """A bucket."""

    type = SCHEME
    read_only = False
    description = "Objects in a bucket"

    def __init__(self, place: Place, *, name: str = SCHEME, part_bytes: int = PART_BYTES) -> None:
        """Nothing connects, and no credentials are read, before the first use."""
        self.name = name
        self.part_bytes = part_bytes
        self._place = place
        self._lock = threading.Lock()
        self._client: tuple[int, Any] | None = None

    def client(self) -> Any:
        """Give the connection, one for each process: it must not outlive a fork. Raises: ConfigError."""
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                self._client = os.getpid(), self._connect()
            return self._client[1]

    def _connect(self) -> Any:
        place = self._place
        secret: dict[str, str] = {}
        if place.credentials is not None:
            key, value = read_keys(place.credentials)
            secret = {"aws_access_key_id": key, "aws_secret_access_key": value}
        session = boto3.session.Session()
        return session.client(
            "s3", endpoint_url=place.endpoint, region_name=place.region or "us-east-1", config=PATIENCE, **secret
        )

    def begin(self, key: str, expected_bytes: int | None) -> S3Writing:
        """Start an upload. Raises: Unavailable. A bucket does not tell how much fits."""
        writing = S3Writing(self, checked(key))
        writing.show_life()
        return writing

    def where(self, name: str) -> dict[str, str]:
        """Give the arguments that name an object."""
        return {"Bucket": self._place.bucket, "Key": self._place.prefix + name}

    def is_alive(self, key: str) -> bool:
        """Whether an upload lives. Raises: Unavailable."""
        with translated():
            try:
                found = self.client().get_object(**self.where(ALIVE + checked(key)))
                return lives(orjson.loads(found["Body"].read()), _age_s(found, found["LastModified"]))
            except boto_errors.ClientError as error:
                if code_of(error) in MISSING:
                    return False
                raise

    def open(self, location: str, start: int, length: int) -> S3Range:
        """Open a part of an object. Raises: NotFound; Unavailable."""
        part = f"bytes={start}-{start + max(length, 1) - 1}"
        with translated(lookup=True):
            try:
                found = self.client().get_object(**self.where(KEPT + key_in(location, self.name)), Range=part)
            except boto_errors.ClientError as error:
                if code_of(error) == BEHIND_THE_END:
                    return S3Range(None, 0)
                raise
        return S3Range(found["Body"], min(length, found["ContentLength"]))

    def size(self, location: str) -> int:
        """Give an object's size. Raises: NotFound; Unavailable."""
        with translated(lookup=True):
            return int(self.client().head_object(**self.where(KEPT + key_in(location, self.name)))["ContentLength"])

    def delete(self, location: str) -> None:
        """Remove an object. May be repeated. Raises: Unavailable."""
        with translated():
            self.client().delete_object(**self.where(KEPT + key_in(location, self.name)))

    def sweep(self, kept: Collection[str]) -> Swept:
        """Remove what dead writers left, and old objects that no record names. Raises: Unavailable."""
        done = [name for name in self.list_strays(kept) if self._remove(name)]
        orphans = sum(name.startswith(KEPT) for name in done)
        return Swept(leftovers=sum(name.startswith(PARTS) for name in done), orphans=orphans)

    def list_strays(self, kept: Collection[str]) -> list[str]:
        """Name finished objects, uploads and signs of life that a sweep would remove. Raises: Unavailable."""
        with translated():
            found = [(KEPT + key, key) for key in self._old_keys() if f"{self.name}:{key}" not in kept]
            found += [(PARTS + key, key) for key, _ in self._uploads()]
            found += [(ALIVE + key, key) for key, _ in self._objects(ALIVE)]
        return [name for name, key in dict(found).items() if not self.is_alive(key)]

    def remove_stray(self, name: str, kept: Collection[str]) -> bool:
        """Remove one such thing; tell whether it was there and a stray still. Raises: Unavailable."""
        return name in self.list_strays(kept) and self._remove(name)

    def _remove(self, name: str) -> bool:
        with translated():
            if name.startswith(PARTS):
                for key, upload in self._uploads():
                    if PARTS + key == name:
                        self.abort(key, upload)
            else:
                self.client().delete_object(**self.where(name))
        return True

    def abort(self, key: str, upload: str) -> None:
        """Free the parts of an upload. May be repeated."""
        try:
            self.client().abort_multipart_upload(**self.where(KEPT + key), UploadId=upload)
        except boto_errors.ClientError as error:
            if code_of(error) not in MISSING:
                raise

    def _uploads(self) -> Iterator[tuple[str, str]]:
        prefix = self._place.prefix + KEPT
        pages = self.client().get_paginator("list_multipart_uploads").paginate(Bucket=self._place.bucket, Prefix=prefix)
        for page in pages:
            for one in page.get("Uploads", ()):
                key = one["Key"].removeprefix(prefix)
                if KEY.fullmatch(key):
                    yield key, one["UploadId"]

    def _objects(self, folder: str) -> Iterator[tuple[str, float]]:
        """Give keys and their age in seconds, by the storage's clock."""
        prefix = self._place.prefix + folder
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self._place.bucket, Prefix=prefix)
        for page in pages:
            for one in page.get("Contents", ()):
                key = one["Key"].removeprefix(prefix)
                if KEY.fullmatch(key):
                    yield key, _age_s(page, one["LastModified"])

    def _old_keys(self) -> list[str]:
        return [key for key, age_s in self._objects(KEPT) if age_s >= ORPHAN_AGE_S]


class S3Writing:
    """An object that grows by parts."""

    def __init__(self, store: S3Store, key: str) -> None:
        """Made by `S3Store.begin` only."""
        self._store = store
        self._key = key
        self._buffer = bytearray()
        self._upload: str | None = None
        self._parts: list[dict[str, Any]] = []
        self._size = 0
        self._shown = 0.0
        self._finalized = self._closed = False

    def show_life(self) -> None:
        """Say that this process writes. Raises: Unavailable."""
        with translated():
            self._store.client().put_object(**self._store.where(ALIVE + self._key), Body=orjson.dumps(this_process()))
        self._shown = time.monotonic()

    def append(self, data: bytes) -> None:
        """Keep bytes, and send them as a part when there are enough. Raises: InsufficientStorage, Unavailable."""
        if self._closed:
            raise ValueError("the upload has ended")
        self._buffer += data
        self._size += len(data)
        if time.monotonic() - self._shown > writers.RENEW_S:
            self.show_life()
        most = self._store.part_bytes * (1 + len(self._parts) // 1000)
        while len(self._buffer) >= most:
            self._send(bytes(self._buffer[:most]))
            del self._buffer[:most]

    def finalize(self) -> str:
        """Make the object of its parts. Raises: InsufficientStorage, Unavailable."""
        where, client = self._store.where(KEPT + self._key), self._store.client()
        with translated():
            if self._upload is None:
                client.put_object(**where, Body=bytes(self._buffer))
            else:
                if self._buffer:
                    self._send(bytes(self._buffer))
                self._complete(client, where)
        self._finalized = True
        self._buffer.clear()
        return f"{self._store.name}:{self._key}"

    def close(self) -> None:
        """Free the parts unless they became an object, and stop to be alive. May be repeated."""
        if self._closed:
            return
        self._closed = True
        try:
            with translated():
                if self._upload is not None and not self._finalized:
                    self._store.abort(self._key, self._upload)
                self._store.client().delete_object(**self._store.where(ALIVE + self._key))
        except errors.NovaLiteError:
            LOG.warning("A cut upload could not be removed; a sweep will.", extra={"action": "upload"})

    def _send(self, data: bytes) -> None:
        where, client = self._store.where(KEPT + self._key), self._store.client()
        number = len(self._parts) + 1
        with translated():
            if self._upload is None:
                self._upload = client.create_multipart_upload(**where)["UploadId"]
            sent = client.upload_part(**where, UploadId=self._upload, PartNumber=number, Body=data)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def _complete(self, client: Any, where: Mapping[str, str]) -> None:
        """Where the answer was lost and the call sent again, the upload is not there any more, but its object is."""
        try:
            client.complete_multipart_upload(**where, UploadId=self._upload, MultipartUpload={"Parts": self._parts})
        except boto_errors.ClientError as error:
            if code_of(error) not in MISSING or client.head_object(**where)["ContentLength"] != self._size:
                raise


class S3Range:
    """A part of an object being read."""

    def __init__(self, body: Any, length: int) -> None:
        """`body`: what boto3 gives; None for nothing."""
        self._body = body
        self._left = length

    def read(self, size: int = -1, /) -> bytes:
        """Give up to `size` bytes. Raises: Unavailable when it is cut."""
        wanted = self._left if size is None or size < 0 else min(size, self._left)
        if not wanted:
            return b""
        with translated():
            data: bytes = self._body.read(wanted)
        if not data:
            raise errors.Unavailable("The image store ended before all bytes had come.", what="the image store")
        self._left -= len(data)
        return data

    def close(self) -> None:
        """Let go of the connection. May be repeated."""
        if self._body is not None:
            self._body.close()


@contextlib.contextmanager
def translated(*, lookup: bool = False) -> Iterator[None]:
    """Make our errors of boto3's; in a lookup, what is missing is NotFound. Only the code is told: texts may quote requests."""
    try:
        yield
    except boto_errors.ClientError as error:
        code = code_of(error)
        if lookup and code in MISSING:
            raise errors.NotFound("The image's data are not in the store.") from None
        if code in FULL:
            raise errors.InsufficientStorage("The image store is full.") from None
        LOG.error("The image store answers %s.", code[:64], extra={"action": "store"})
        raise _away() from None
    except errors.ConfigError as error:  # of the credentials, which are read at the first use
        LOG.error("The image store cannot be asked: %s", error.message, extra={"action": "store"})
        raise _away() from None
    except (boto_errors.BotoCoreError, boto_errors.HTTPClientError, OSError) as error:
        LOG.error("The image store does not answer: %s", type(error).__name__, extra={"action": "store"})
        raise _away() from None


def code_of(error: boto_errors.ClientError) -> str:
    """Give the code of an answer, such as NoSuchKey."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _away() -> errors.Unavailable:
    return errors.Unavailable("The image store does not work at the moment.", what="the image store")


def _age_s(answer: Mapping[str, Any], changed: datetime.datetime) -> float:
    """Give how old something is by the storage's clock, which says the time in each answer."""
    now = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return (now - changed).total_seconds()
