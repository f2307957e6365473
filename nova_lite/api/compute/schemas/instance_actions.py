"""Queries of what was done to a server."""

from __future__ import annotations

from nova_lite.api.microversion import ByVersion
from nova_lite.api.validate import COUNT, TEXT, query

_PAGE = {"limit": COUNT, "marker": TEXT, "changes-since": TEXT}
_BEFORE = _PAGE | {"changes-before": TEXT}
LIST = ByVersion({"2.1": query({}), "2.58": query(_PAGE, extra=False), "2.66": query(_BEFORE, extra=False)})
