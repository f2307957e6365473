"""How the steps of workflows are shown as task states: read from the workflows' own tables."""

from __future__ import annotations

from nova_lite.db.servers import Doing
from nova_lite.workflows.registry import REGISTRY

_SHOWN: dict[tuple[str, str | None], str | None] = {
    (workflow.name, step.name): step.shown_as for workflow in REGISTRY.all() for step in workflow.steps
}
_SHOWN |= {(workflow.name, None): workflow.steps[0].shown_as for workflow in REGISTRY.all()}  # not begun yet


def shown_as(workflow: str, step: str | None) -> str | None:
    """Give the task state of an operation at a step; None where the step is not shown."""
    return _SHOWN.get((workflow, step))


def steps_shown_as(task_states: frozenset[str]) -> tuple[Doing, ...]:
    """List the steps that are shown as one of some task states."""
    return tuple(
        Doing(workflow=workflow, step=step or "") for (workflow, step), shown in _SHOWN.items() if shown in task_states
    )
