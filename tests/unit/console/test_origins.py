"""Whose pages may open consoles."""

from __future__ import annotations

import pytest

from nova_lite.conf.console import ConsoleOptions
from nova_lite.console.origins import origins_of

PLAIN = ConsoleOptions(public_url="http://consoles.example:6080")
SECURE = ConsoleOptions(public_url="https://consoles.example", allowed_origins=("Dashboard.example ",))


@pytest.mark.parametrize(
    ("options", "origins", "host", "allowed"),
    [
        (PLAIN, [], "consoles.example:6080", True),  # no browser
        (PLAIN, ["http://consoles.example:6080"], "consoles.example:6080", True),
        (PLAIN, ["http://10.0.0.1:6080"], "10.0.0.1:6080", True),  # reached by another name
        (PLAIN, ["http://[fd00::1]:6080"], "[fd00::1]:6080", True),
        (PLAIN, ["http://evil.example"], "consoles.example:6080", False),
        (PLAIN, ["http://consoles.example.evil.example"], "consoles.example", False),
        (PLAIN, ["http://consoles.example@evil.example"], "consoles.example", False),
        (PLAIN, ["http://consoles.example", "http://evil.example"], "consoles.example", False),
        (PLAIN, ["null"], "consoles.example", False),
        (PLAIN, ["http://["], "consoles.example", False),
        (PLAIN, [""], None, False),
        (PLAIN, ["null"], "null", False),
        (SECURE, ["https://consoles.example"], None, True),
        (SECURE, ["http://consoles.example"], "consoles.example", False),  # a page that anybody on the way can change
        (SECURE, ["https://dashboard.example"], "consoles.example", True),
        (SECURE, ["https://dashboard.example.evil.example"], "consoles.example", False),
    ],
)
def test_only_our_own_and_named_sites_may(options, origins, host, allowed):
    assert origins_of(options).allow(origins, host) is allowed
