"""Attributes that bodies of several resources of the Network API have."""

from __future__ import annotations

NONE_OF_THEM = {"type": "array", "maxItems": 0}
ID = {"type": "string", "minLength": 1, "maxLength": 36}
PROJECT = {"type": "string", "minLength": 1, "maxLength": 64}
IPV4 = {"type": "string", "format": "ipv4"}
