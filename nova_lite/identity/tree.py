"""The hierarchy of all projects in memory, to follow inheritance without a statement for each project."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping


class Tree:
    """Which projects are below a project or domain."""

    def __init__(self, places: Mapping[str, tuple[str | None, str]]) -> None:
        """`places` are (parent_id, domain_id) by the project's id."""
        self._children: dict[str, list[str]] = defaultdict(list)
        self._in_domain: dict[str, list[str]] = defaultdict(list)
        for project_id, (parent_id, domain_id) in places.items():
            self._children[parent_id or domain_id].append(project_id)
            self._in_domain[domain_id].append(project_id)

    def below(self, source: str) -> list[str]:
        """List the projects of a domain, or those below a project, without itself."""
        if source in self._in_domain:
            return self._in_domain[source]
        found: dict[str, None] = {}
        waiting = [source]
        while waiting:
            for child in self._children.get(waiting.pop(), ()):
                if child not in found and child != source:
                    found[child] = None
                    waiting.append(child)
        return list(found)
