"""The project that a path names, read for those who may act on it."""

from __future__ import annotations

from nova_lite.api.identity import targets
from nova_lite.api.route import Request
from nova_lite.db import identity as db
from nova_lite.db.engine import Tx
from nova_lite.identity import projects
from nova_lite.model.identity import Project


def acted_on(request: Request, tx: Tx) -> Project:
    """Read the project of the path, if the caller may act on it. Raises: Forbidden, NotFound."""
    project_id = request.params["project_id"]
    project = db.PROJECTS.find(tx, project_id)
    request.enforce(target=targets.of_project(project))
    return project or projects.get_project(tx, project_id)
