"""An image service in one process, whose callers name their roles in the token."""

from __future__ import annotations

import falcon.testing
import pytest

from nova_lite.api.app import make_app
from nova_lite.api.parts import Parts
from nova_lite.conf.image import ImageOptions, WebRules
from nova_lite.context import Context
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.identity.policy import Policy
from nova_lite.image.service import make_images
from nova_lite.workflows.desk import Desk


class ByRoles:
    """Takes `member,admin` or `member@project`: roles, and the project where that is not `p`."""

    def check(self, token, request_id, call=None):
        roles, _, project = token.partition("@")
        known = frozenset(roles.split(",")) | {"reader"}
        return Context(request_id=request_id, user_id="u", project_id=project or "p", roles=known)


@pytest.fixture
def announcing(tmp_path):
    """A database whose changes are told."""
    database = Database(f"sqlite:///{tmp_path}/images.db", announces=True)
    schema.create_all(database)
    yield database
    database.dispose()


@pytest.fixture
def told(announcing, tmp_path):
    """A client of a service whose changes are told, and its parts."""
    options = ImageOptions(store=(tmp_path / "images").as_uri(), web=WebRules(public=True))
    images = make_images(announcing, tmp_path, options, "http://cloud.test")
    desk = Desk(database=announcing, ring=lambda operation_id: None)
    parts = Parts(database=announcing, tokens=ByRoles(), policy=Policy(), images=images, desk=desk)
    client = falcon.testing.TestClient(make_app(parts, ["image"]), headers={"X-Auth-Token": "member,admin"})
    client.parts = parts
    return client
