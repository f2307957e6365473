"""Schemas of roles."""

from __future__ import annotations

from nova_lite.api.identity.schemas.parts import DESCRIPTION, NAME, OPTIONS, wrapped

_ROLE = {
    "name": NAME,
    "description": DESCRIPTION,
    "domain_id": {"type": ["string", "null"], "maxLength": 64},
    "options": OPTIONS,
}
CREATE_ROLE = wrapped("role", _ROLE, required=("name",))
UPDATE_ROLE = wrapped("role", _ROLE)
