"""slo.toml holds: no operation spends more messages, statements or memory than its budget, and each workflow has one."""

from __future__ import annotations

import collections

import pytest
from functional.cloud import running
from functional.slo import budgets, measure

from nova_lite.workflows.registry import REGISTRY

MOVES = {"resize", "revert_resize", "migrate", "confirm_resize", "live_migrate", "evacuate"}
MANY = {"token_check", "boot_many", "import_image", "list_1000_servers"}
CHANGES = {
    *("shelve", "unshelve_in_place", "shelve_offload", "unshelve", "inject_network_info", "attach_interface"),
    *("detach_interface", "add_fixed_ip", "remove_fixed_ip", "rebuild", "soft_delete", "restore"),
}
COUNTED_IN = {"lives": budgets().keys() - CHANGES - MOVES - MANY, "changes": CHANGES, "moves": MOVES | MANY}


def test_every_workflow_has_a_budget():
    assert {workflow.name for workflow in REGISTRY.all()} <= budgets().keys()


# On SQLite alone: elsewhere locks and reruns come in between, and the drivers keep memory of their own.
@pytest.mark.engines("sqlite")
@pytest.mark.slow
@pytest.mark.timeout(600)  # a minute when nothing else runs; each operation is waited for alone
@pytest.mark.parametrize("part", COUNTED_IN)
def test_nothing_spends_more_than_its_budget(tmp_path, part):
    allowed = budgets()

    with running(tmp_path, "h1", "h2", shelved_offload_s=-1) as cloud:
        spent = measure(cloud, part)

    assert spent.keys() == COUNTED_IN[part], "a budget that nothing counts, or the other way round"
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
