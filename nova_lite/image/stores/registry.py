"""Which stores there are: made of their URLs, by scheme."""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from nova_lite import errors
from nova_lite.conf.image import ImageOptions, WebRules
from nova_lite.image.stores import filesystem, http, swift, swift_api
from nova_lite.image.stores.base import Store
from nova_lite.image.stores.several import Stores

ANY_PUBLIC = WebRules()
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}", re.ASCII)
_POOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", re.ASCII)
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", re.ASCII)
_INTERFACES = ("public", "internal", "admin")
_NAMED = re.compile(r"([^:/=]*)=(.*)", re.DOTALL)


def _filesystem(url: urllib.parse.SplitResult, name: str, _web: WebRules) -> Store:
    """`file:///a?weight=2&more=/b:1&more=/c`: folders, each with a weight, 0 if none is said."""
    if url.netloc or not url.path.startswith("/"):
        raise errors.ConfigError("[image] store: a folder is written file:///an/absolute/path.")
    query = urllib.parse.parse_qs(url.query, keep_blank_values=True)
    first = urllib.parse.unquote(url.path), query.pop("weight", ["0"])[-1]
    others = [text.rpartition(":") if ":" in text else (text, ":", "0") for text in query.pop("more", [])]
    folders = [first, *((path, weight) for path, _, weight in others)]
    wrong = [path for path, weight in folders if not path.startswith("/") or not re.fullmatch(r"\d{1,6}", weight, re.ASCII)]
    if wrong or query or len({path for path, _ in folders}) < len(folders):
        raise errors.ConfigError("[image] store: further folders are written file:///a?weight=2&more=/b:1, each once.")
    return filesystem.FilesystemStore([filesystem.Folder(Path(path), int(weight)) for path, weight in folders], name=name)


def _http(url: urllib.parse.SplitResult, name: str, web: WebRules) -> Store:
    if url.netloc or url.path or url.query:
        raise errors.ConfigError("[image] store: the store of web servers' files is written http: and has no address.")
    return http.HttpStore(web, name=name)


def _s3(url: urllib.parse.SplitResult, name: str, _web: WebRules) -> Store:
    """`s3://bucket/prefix?endpoint=https://host&region=x&credentials=/etc/nova-lite/s3.ini`."""
    try:
        from nova_lite.image.stores import s3  # its library is an extra
    except ImportError as error:
        raise errors.ConfigError("[image] store: S3 needs the extra: pip install 'nova-lite[s3]'.") from error
    query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
    endpoint, region, credentials = (query.pop(option, None) for option in ("endpoint", "region", "credentials"))
    if "@" in url.netloc:
        raise errors.ConfigError("[image] store: credentials of S3 do not belong into the URL; write credentials=/a/file.")
    if query or not _BUCKET.fullmatch(url.netloc) or (credentials is not None and not credentials.startswith("/")):
        raise errors.ConfigError(
            "[image] store: S3 is written s3://bucket/prefix?endpoint=URL&region=NAME&credentials=/a/file."
        )
    if endpoint is not None and urllib.parse.urlsplit(endpoint).scheme not in ("http", "https"):
        raise errors.ConfigError("[image] store: the endpoint of S3 is an http or https URL.")
    prefix = urllib.parse.unquote(url.path).strip("/")
    place = s3.Place(
        bucket=url.netloc, prefix=f"{prefix}/" if prefix else "", endpoint=endpoint, region=region,
        credentials=Path(credentials) if credentials is not None else None,
    )  # fmt: skip
    return s3.S3Store(place, name=name)


def _rbd(url: urllib.parse.SplitResult, name: str, _web: WebRules) -> Store:
    """`rbd://pool?user=glance&conf=/etc/ceph/ceph.conf&keyring=/etc/ceph/ceph.client.glance.keyring`."""
    from nova_lite.image.stores import ceph, rbd  # so that nobody loads what he does not have

    query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
    user, config, keyring = query.pop("user", "nova-lite"), query.pop("conf", "/etc/ceph/ceph.conf"), query.pop("keyring", None)
    if "@" in url.netloc:
        raise errors.ConfigError("[image] store: a key of Ceph does not belong into the URL; write user=NAME&keyring=/a/file.")
    files = [path for path in (config, keyring) if path is not None and not path.startswith("/")]
    if query or url.path.strip("/") or files or not _POOL.fullmatch(url.netloc) or not _POOL.fullmatch(user):
        raise errors.ConfigError("[image] store: Ceph is written rbd://POOL?user=NAME&conf=/a/file&keyring=/a/file.")
    try:
        ceph.library()
    except (OSError, AttributeError) as error:
        raise errors.ConfigError("[image] store: Ceph needs its library, of Ceph 16 or newer: apt install librbd1.") from error
    place = ceph.Place(pool=url.netloc, user=user, config=Path(config), keyring=Path(keyring) if keyring is not None else None)
    return rbd.RbdStore(place, name=name)


def _swift(url: urllib.parse.SplitResult, name: str, _web: WebRules) -> Store:
    """`swift://container/prefix?auth_url=https://host/v3&credentials=/etc/nova-lite/swift.ini&region=x&interface=internal`."""
    query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
    if "@" in url.netloc:
        raise errors.ConfigError("[image] store: credentials of Swift do not belong into the URL; write credentials=/a/file.")
    values = {option: query.pop(option, None) for option in ("auth_url", "endpoint", "region", "cafile")}
    interface, credentials = query.pop("interface", "public"), query.pop("credentials", "")
    files = [text for text in (credentials, values["cafile"]) if text is not None and not text.startswith("/")]
    if query or files or not values["auth_url"] or interface not in _INTERFACES or not _CONTAINER.fullmatch(url.netloc):
        raise errors.ConfigError(
            "[image] store: Swift is written swift://container/prefix?auth_url=URL&credentials=/a/file, and may have "
            f"&region=NAME, &interface={'|'.join(_INTERFACES)}, &endpoint=URL and &cafile=/a/file."
        )
    for address in (text for text in (values["auth_url"], values["endpoint"]) if text is not None):
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or "@" in parts.netloc:
            raise errors.ConfigError(
                "[image] store: auth_url and endpoint of Swift are http or https URLs without credentials."
            )
    prefix = urllib.parse.unquote(url.path).strip("/")
    place = swift_api.Place(
        container=url.netloc, prefix=f"{prefix}/" if prefix else "", credentials=Path(credentials), interface=interface,
        auth_url=str(values["auth_url"]), endpoint=values["endpoint"], region=values["region"], cafile=values["cafile"],
    )  # fmt: skip
    return swift.SwiftStore(place, name=name)


MAKERS: dict[str, Callable[[urllib.parse.SplitResult, str, WebRules], Store]] = {
    filesystem.SCHEME: _filesystem,
    http.TYPE: _http,
    "s3": _s3,
    "rbd": _rbd,
    swift.SCHEME: _swift,
}


def make_store(text: str, web: WebRules = ANY_PUBLIC) -> Store:
    """Make the store of a URL such as `file:///var/lib/nova-lite/images`, or of `NAME=URL`; nothing is touched yet.

    Without a name it is called as its scheme. Raises: ConfigError.
    """
    named = _NAMED.fullmatch(text)
    parts = urllib.parse.urlsplit(named[2] if named else text)
    if parts.scheme not in MAKERS:
        raise errors.ConfigError(f"[image] store: there is no store for {parts.scheme}: URLs, only for {', '.join(MAKERS)}.")
    name = named[1].strip() if named else parts.scheme
    if not NAME.fullmatch(name):
        raise errors.ConfigError(f"[image] store: {name[:64]!r} is no name; letters, digits and _ . - are.")
    return MAKERS[parts.scheme](parts, name, web)


def make_stores(options: ImageOptions) -> Stores:
    """Make all stores of a configuration. Raises: ConfigError."""
    stores = [make_store(text.strip(), options.web) for text in options.store.split(",")]
    names = [store.name for store in stores]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise errors.ConfigError(f"[image] store: two stores are called {twice}; write NAME=URL for each.")
    if stores[0].read_only:
        raise errors.ConfigError(f"[image] store: {names[0]} takes no bytes, so it cannot be the default, which is the first.")
    return Stores(stores)
