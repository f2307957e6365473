"""What handlers are given: every door of the process, built once in the daemon's `main()` or by a test."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_lite.api.admission import Admission
from nova_lite.api.transfers import Transfers
from nova_lite.clock import Clock, SystemClock
from nova_lite.conf.api import ApiOptions
from nova_lite.conf.console import ConsoleOptions
from nova_lite.db.engine import Database
from nova_lite.identity.audit import Audit, Unheard
from nova_lite.identity.policy import Policy
from nova_lite.identity.port import TokenChecker
from nova_lite.image.protections import Protections


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parts:
    """The doors of an API process. A service's own part may be missing where that service is not served here.

    desk: workflows' Desk; identity: identity.service's Identity; images: the image room's service; network: the network room's
    service; compute: ComputeClient or None (no broker: what needs a host at once answers 503)
    auth_url: where users log in when that is not here
    patience_s: for how long a request waits for an operation, where its answer shows what that did
    protections: who may see and change which properties of images
    audit: where what matters for security is written down
    admission: the share of the threads that each kind of request has; transfers: slots for moving image bytes
    """

    database: Database
    tokens: TokenChecker
    policy: Policy
    options: ApiOptions = dataclasses.field(default_factory=ApiOptions)
    consoles: ConsoleOptions = dataclasses.field(default_factory=ConsoleOptions)
    clock: Clock = dataclasses.field(default_factory=SystemClock)
    admission: Admission = dataclasses.field(default_factory=Admission)
    transfers: Transfers = dataclasses.field(default_factory=Transfers)
    patience_s: float = 10.0
    protections: Protections = dataclasses.field(default_factory=Protections)
    audit: Audit = dataclasses.field(default_factory=Unheard)
    identity: Any = None
    auth_url: str = ""
    desk: Any = None
    images: Any = None
    network: Any = None
    compute: Any = None
