"""Signatures of EC2 and S3 requests, computed as Amazon describes them: versions 0, 1, 2 and 4 (no I/O).

Sources: "Signature Version 2 signing process" and "Signature Version 4 signing process" of the AWS General Reference;
"Signing and authenticating REST requests" of the S3 guide for its first version.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import hashlib
import hmac
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

from nova_lite import errors

EARLIEST_S = LATEST_S = 900.0
S3_SERVICES = ("s3", "iam", "sts")
V4 = "AWS4-HMAC-SHA256"
_OLD_BOTO = re.compile(r"Boto/2\.[0-9]\.[0-2]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedCall:
    """A request to EC2 as the service that got it passes it on."""

    signature: str = dataclasses.field(repr=False)
    verb: str = ""
    host: str = ""
    path: str = ""
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body_hash: str = ""


def read_call(body: Mapping[str, Any]) -> SignedCall:
    """Take the parts out of a body that was checked. Raises: Unauthorized without a signature."""
    if not body.get("signature"):
        raise errors.Unauthorized("EC2 signature not supplied.")
    texts = {name: str(body.get(name) or "") for name in ("verb", "host", "path", "body_hash")}
    params = {name: _text(value) for name, value in (body.get("params") or {}).items()}
    return SignedCall(signature=body["signature"], params=params, headers=body.get("headers") or {}, **texts)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def check_ec2(call: SignedCall, secret: str) -> None:
    """Raises: Unauthorized when the signature is not one of this secret."""
    hosts = dict.fromkeys((call.host, call.host.partition(":")[0]))  # some libraries sign without the port
    made = [_ec2(dataclasses.replace(call, host=host), secret) for host in hosts]
    if not secret or not any([_equal(each, call.signature) for each in made]):  # a list: all are compared
        raise errors.Unauthorized("Invalid EC2 signature.")


def check_time(call: SignedCall, now: float) -> None:
    """Raises: Unauthorized when a request was signed for a moment a quarter of an hour away, until one that is over, or none.

    Only what the signature covers counts: `Timestamp` or `Expires` up to version 2, `X-Amz-Date` in version 4.
    """
    if call.params.get("SignatureVersion"):
        made, until = call.params.get("Timestamp"), call.params.get("Expires")
    else:
        made, until = _v4_date(call), None
    if made and not now - EARLIEST_S <= _seconds(made) <= now + LATEST_S:
        raise errors.Unauthorized("Credential is expired")
    if until and _seconds(until) < now:
        raise errors.Unauthorized("Credential is expired")


def _seconds(text: str) -> float:
    try:
        moment = datetime.datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise errors.Unauthorized("Credential timestamp is invalid.") from error


def check_s3(token: str, signature: str, secret: str) -> None:
    """Check the signature of the text that `token` holds in base64. Raises: Unauthorized, BadRequest for no base64.

    The gateway that got the request checks its times: signed links are good for days.
    """
    try:
        signed = base64.b64decode(token.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.BadRequest("The token must be the signed text in base64.") from error
    made = _s3_v4(signed, secret) if signed.startswith(b"AWS4") else _base64(hmac.digest(secret.encode(), signed, "sha1"))
    if not secret or not _equal(made, signature):
        raise errors.Unauthorized("Credential signature mismatch")


def _equal(made: str, given: str) -> bool:
    return hmac.compare_digest(made.encode(), given.encode())


def _s3_v4(signed: bytes, secret: str) -> str:
    lines = signed.split(b"\n")
    try:
        form, _, scope, _ = [line.decode("ascii") for line in lines]
        date, region, service, end = scope.split("/")
    except ValueError as error:
        raise errors.Unauthorized("Invalid EC2 signature.") from error
    if form != V4 or service not in S3_SERVICES or end != "aws4_request":
        raise errors.Unauthorized("Invalid EC2 signature.")
    return hmac.new(_key(secret, date, region, service), signed, hashlib.sha256).hexdigest()


def _ec2(call: SignedCall, secret: str) -> str:
    version = call.params.get("SignatureVersion")
    if version == "0":
        text = call.params.get("Action", "") + call.params.get("Timestamp", "")
        return _base64(hmac.digest(secret.encode(), text.encode(), "sha1"))
    if version == "1":
        text = "".join(name + call.params[name] for name in sorted(call.params, key=str.lower))
        return _base64(hmac.digest(secret.encode(), text.encode(), "sha1"))
    if version == "2":
        return _ec2_v2(call, secret)
    if version is None and (V4 in _header(call, "Authorization") or call.params.get("X-Amz-Algorithm") == V4):
        return _ec2_v4(call, secret)
    raise errors.Unauthorized("Unknown signature version.")


def _header(call: SignedCall, name: str) -> str:
    return next((value for key, value in call.headers.items() if key.lower() == name.lower()), "")


def _ec2_v2(call: SignedCall, secret: str) -> str:
    method = "sha1" if call.params.get("SignatureMethod") == "HmacSHA1" else "sha256"
    text = "\n".join((call.verb, call.host, call.path, _query(call.params)))
    return _base64(hmac.digest(secret.encode(), text.encode(), method))


def _query(params: Mapping[str, str]) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(params[name])}" for name in sorted(params))


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="-_.~")


def _ec2_v4(call: SignedCall, secret: str) -> str:
    parts = [part.strip() for part in _v4_part(call, "Credential").split("/")]
    date = _v4_date(call)
    if not date or len(parts) != 5 or parts[4] != "aws4_request" or not date.startswith(parts[1]):
        raise errors.Unauthorized("Invalid EC2 signature.")
    names = _v4_part(call, "SignedHeaders")
    params = {name: value for name, value in call.params.items() if name != "X-Amz-Signature"}
    query = "" if call.verb.upper() == "POST" else _query(params)
    canonical = "\n".join((call.verb.upper(), call.path, query, _v4_headers(call, names), names, call.body_hash))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join((V4, date, "/".join(parts[1:]), digest))
    return hmac.new(_key(secret, *parts[1:4]), text.encode(), hashlib.sha256).hexdigest()


def _v4_date(call: SignedCall) -> str:
    return _header(call, "X-Amz-Date") or call.params.get("X-Amz-Date", "")


def _v4_part(call: SignedCall, name: str) -> str:
    header = _header(call, "Authorization")
    if header:
        return header.partition(f"{name}=")[2].split(",")[0]
    return call.params.get(f"X-Amz-{name}", "")


def _v4_headers(call: SignedCall, names: str) -> str:
    """Write the signed headers; a very old boto signs the host without its port."""
    known = {name.lower().strip(): value.strip() for name, value in call.headers.items()}
    if "host" in known and _OLD_BOTO.match(known.get("user-agent", "")):
        known["host"] = known["host"].partition(":")[0]
    return "".join(f"{name}:{known[name]}\n" for name in names.split(";") if name in known)


def _key(secret: str, date: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")
