"""How each registered workflow is set up for the generated tests; a workflow without an entry here fails a test."""

from __future__ import annotations

from workflows import actions, demo, moves, servers, snapshots
from workflows.engine_harness import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *demo.SCENARIOS,
    *servers.SCENARIOS,
    *actions.SCENARIOS,
    *snapshots.SCENARIOS,
    *moves.SCENARIOS,
)
