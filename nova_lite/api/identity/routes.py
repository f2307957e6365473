"""The URL table of the Identity API."""

from __future__ import annotations

from nova_lite.api.route import Route

ROUTES: tuple[Route, ...] = ()
