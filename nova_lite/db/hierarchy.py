"""Queries on the hierarchies of Identity: projects below projects, regions below regions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import sqlalchemy as sa

from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.db.tables.identity import catalog_endpoints, projects, regions, users
from nova_lite.model.identity import Project

AT_ONCE = 500  # ids in one statement


def chunks(ids: Collection[str]) -> Iterator[Sequence[str]]:
    """Cut ids, each once, into pieces that fit into a statement of every database."""
    every = sorted(set(ids))
    return (every[start : start + AT_ONCE] for start in range(0, len(every), AT_ONCE))


def parents(tx: Tx, project: Project) -> list[Project]:
    """List what a project is in, the nearest first, its domain last. One statement a level."""
    found: list[Project] = []
    seen = {project.id}
    above = project.parent_id or project.domain_id
    while above and above not in seen:
        seen.add(above)
        parent = db.PROJECTS.find(tx, above)
        if parent is None:
            break
        found.append(parent)
        above = parent.parent_id or parent.domain_id
    return found


def subtree(tx: Tx, project_id: str) -> list[Project]:
    """List the projects below one, level by level. A statement a level (more when a level is very wide)."""
    found: dict[str, Project] = {}
    level: Collection[str] = [project_id]
    while level:
        children = [child for part in chunks(level) for child in db.PROJECTS.list_by(tx, parent_id=part)]
        level = [child.id for child in children if child.id not in found and child.id != project_id]
        found |= {child.id: child for child in children if child.id != project_id}
    return list(found.values())


def places(tx: Tx) -> dict[str, tuple[str | None, str]]:
    """Read where every project is: (parent_id, domain_id) by its id; no domains."""
    query = sa.select(projects.c.id, projects.c.parent_id, projects.c.domain_id).where(projects.c.is_domain.is_(False))
    return {row.id: (row.parent_id, row.domain_id) for row in tx.execute(query)}


def enable(tx: Tx, ids: Collection[str], enabled: bool) -> None:
    """Enable or disable projects."""
    for part in chunks(ids):
        tx.execute(projects.update().where(projects.c.id.in_(part)).values(enabled=enabled))


def forget_default_project(tx: Tx, project_id: str) -> None:
    """Let no user have this project as its default any more."""
    tx.execute(users.update().where(users.c.default_project_id == project_id).values(default_project_id=None))


def regions_below(tx: Tx, region_id: str) -> list[str]:
    """List a region and those in it, however deep, the outer ones first."""
    found = [region_id]
    level = [region_id]
    while level:
        below = sa.select(regions.c.id).where(regions.c.parent_region_id.in_(level))
        level = [one for one in tx.execute(below).scalars() if one not in found]
        found += level
    return found


def has_endpoints(tx: Tx, region_ids: Sequence[str]) -> bool:
    """Tell whether an endpoint is in one of these regions."""
    query = sa.select(catalog_endpoints.c.id).where(catalog_endpoints.c.region_id.in_(region_ids)).limit(1)
    return tx.execute(query).first() is not None


def delete_regions(tx: Tx, region_ids: Sequence[str]) -> None:
    """Remove regions."""
    tx.execute(regions.delete().where(regions.c.id.in_(region_ids)))
