"""The microversions of the Compute API that are kept: docs/develop/compute-api.md says what each one changed here."""

from __future__ import annotations

MIN = "2.1"
MAX = "2.104"
