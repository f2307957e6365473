"""What deleted projects left behind, as doctor tells it."""

from __future__ import annotations

import uuid

import pytest
import sqlalchemy as sa

from nova_lite.cli import checks
from nova_lite.cli.installation import Installation
from nova_lite.db.engine import Database
from nova_lite.db.migrate import upgrade
from nova_lite.db.tables.images import images
from nova_lite.db.tables.networks import networks, ports
from nova_lite.identity import projects
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.model.flavor import Flavor
from nova_lite.model.identity import Project
from nova_lite.model.server import Server, ServerState
from nova_lite.network import bootstrap as network_bootstrap
from nova_lite.servers import records

FLAVOR = Flavor(id="1", name="m1.tiny", vcpus=1, ram_mib=128, disk_gib=1)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    upgrade(database)
    bootstrap(database, admin_password="a", demo_password="d", region="r", public_url="http://cloud.test")
    network_bootstrap.bootstrap(database)
    yield database
    database.dispose()


@pytest.fixture
def project_id(database):
    project = Project(id=projects.new_id(), name="lab", domain_id="default", parent_id="default", created_at=0.0)
    return database.transact(lambda tx: projects.create(tx, project)).id


def examine(tmp_path, mode=""):
    configuration = tmp_path / "nova-lite.conf"
    lines = [f"[DEFAULT]\nstate_dir={tmp_path}", f"[database]\nurl=sqlite:///{tmp_path / 'x.db'}", mode]
    configuration.write_text("\n".join(lines) + "\n")
    return [one.problem for one in checks.differences(Installation((configuration,))) if one.check == "owners"]


def add_server(tx, project_id):
    fields = {"name": "s", "hostname": "s", "flavor": FLAVOR, "state": ServerState.ACTIVE, "user_id": "u"}
    records.insert(tx, Server(id=str(uuid.uuid4()), project_id=project_id, **fields))


def add_port(tx, project_id):
    network_id = tx.execute(sa.select(networks.c.id)).scalars().first()
    row = {"id": str(uuid.uuid4()), "network_id": network_id, "project_id": project_id, "name": "plug"}
    tx.execute(ports.insert().values(**row, mac_address="fa:16:3e:00:00:01", created_at=0, updated_at=0))


def add_image(tx, project_id):
    row = {"id": str(uuid.uuid4()), "name": "i", "owner": project_id, "status": "active", "visibility": "private"}
    tx.execute(images.insert().values(**row, properties={}, created_at=0, updated_at=0))


@pytest.mark.parametrize(("add", "noun"), [(add_server, "servers"), (add_port, "ports"), (add_image, "images")])
def test_what_a_deleted_project_left_is_told_and_what_others_have_is_not(database, project_id, tmp_path, add, noun):
    database.transact(lambda tx: add(tx, project_id))
    assert examine(tmp_path) == []

    database.transact(lambda tx: projects.delete_project(tx, project_id))

    assert examine(tmp_path) == [f"Project {project_id} is gone, and 1 of its {noun} are still there."]


def test_with_an_outside_keystone_nobody_here_knows_which_projects_are_gone(database, project_id, tmp_path):
    database.transact(lambda tx: add_server(tx, "a project of Keystone"))

    assert len(examine(tmp_path)) == 1
    assert examine(tmp_path, "[identity]\nmode = keystone\nauth_url = http://127.0.0.1:1/v3") == []
