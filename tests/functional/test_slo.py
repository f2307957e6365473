"""slo.toml holds: no operation spends more messages, statements or memory than its budget, and each workflow has one."""

from __future__ import annotations

import collections

import pytest
from functional.cloud import running
from functional.slo import budgets, measure

from nova_lite.workflows.registry import REGISTRY


def test_every_workflow_has_a_budget():
    assert {workflow.name for workflow in REGISTRY.all()} <= budgets().keys()


# On SQLite alone: elsewhere locks and reruns come in between, and the drivers keep memory of their own.
@pytest.mark.engines("sqlite")
@pytest.mark.slow
def test_nothing_spends_more_than_its_budget(tmp_path):
    allowed = budgets()

    with running(tmp_path, "h1", "h2", shelved_offload_s=-1) as cloud:
        spent = measure(cloud)

    assert spent.keys() == allowed.keys(), "a budget that nothing counts, or the other way round"
    over = []
    for name, one in spent.items():
        budget = allowed[name]
        told = "\n    ".join(" ".join(statement.split())[:150] for statement in one.statements)
        print(f"{name}: {len(one.statements)} statements, {len(one.messages)} messages, {one.growth_kib} KiB")  # noqa: T201
        if len(one.statements) > budget["statements"]:
            over.append(f"{name}: {len(one.statements)} statements, {budget['statements']} allowed:\n    {told}")
        if len(one.messages) > budget["messages"]:
            counts = dict(collections.Counter(one.messages))
            over.append(f"{name}: {len(one.messages)} messages, {budget['messages']} allowed: {counts}")
        if one.growth_kib > budget["growth_kib"]:
            over.append(f"{name}: {one.growth_kib} KiB more after {budget['times']}, {budget['growth_kib']} allowed")
    assert not over, "\n".join(over)
