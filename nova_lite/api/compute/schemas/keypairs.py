"""Bodies and queries of key pairs."""

from __future__ import annotations

from typing import Any

from nova_lite.api.compute.schemas import types
from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import COUNT, TEXT, JsonSchema, body, query

_TYPE: JsonSchema = {"enum": ["ssh", "x509"]}
_KEY: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 16384}
_PLAIN_NAME: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[^ ](.*[^ ])?$"}
_WIDER_NAME: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[a-zA-Z0-9@._ \-]+$"}
_USER: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 64}


def _create(properties: dict[str, Any], *required: str) -> JsonSchema:
    return types.within("keypair", body(properties, required=("name", *required)))


_FIRST = {"name": _PLAIN_NAME, "public_key": _KEY}
_TYPED = _FIRST | {"type": _TYPE}
_OF_USER = _TYPED | {"user_id": _USER}
CREATE = ByVersion(
    {
        "2.1": _create(_FIRST),
        "2.2": _create(_TYPED),
        "2.10": _create(_OF_USER),
        "2.92": _create(_OF_USER | {"name": _WIDER_NAME}, "public_key"),
    }
)
_ONE: dict[str, Any] = {"user_id": TEXT}
_PAGE = _ONE | {"limit": COUNT, "marker": TEXT}
LIST = ByVersion({"2.1": query({}), "2.10": query(_ONE), "2.35": query(_PAGE), "2.75": query(_PAGE, extra=False)})
SHOW = ByVersion({"2.1": query({}), "2.10": query(_ONE), "2.75": query(_ONE, extra=False)})
