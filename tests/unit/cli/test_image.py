"""`nova-lite image usage`: what an operator is told."""

from __future__ import annotations

import dataclasses
import json

import pytest
from click.testing import CliRunner

from nova_lite.cli.main import command
from nova_lite.db import image_usage as db
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.identity.bootstrap import bootstrap
from nova_lite.image import copies, records
from nova_lite.model.image import Image, ImageStatus, Visibility

ID = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def call(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    create_all(database)
    bootstrap(database, admin_password="a", demo_password="d", region="r", public_url="http://cloud.test")

    def fill(tx):
        from nova_lite.db import identity

        owner = identity.PROJECTS.find_by(tx, name="demo").id
        fields = {"status": ImageStatus.ACTIVE, "visibility": Visibility.PRIVATE, "disk_format": "raw"}
        for image_id, of in ((ID, owner), (ID.replace("1", "2"), "far")):
            image = Image(
                id=image_id, name="n", owner=of, container_format="bare", size_bytes=7, location="file:kept/x", **fields
            )
            records.create(tx, image)
        db.add(tx, ID, 2, 14, 0.0)
        copies.ask(tx, ID, ["s3", "far"])
        copy = next(one for one in copies.of_image(tx, ID) if one.store == "s3")
        copies.finish(tx, dataclasses.replace(copy, upload_id=None), None, "s3:kept/x")

    database.transact(fill)
    database.dispose()
    configuration = tmp_path / "nova-lite.conf"
    configuration.write_text(f"[DEFAULT]\nstate_dir={tmp_path}\n[database]\nurl=sqlite:///{tmp_path / 'x.db'}\n")

    def run(*arguments):
        return CliRunner().invoke(command, ["--config-file", str(configuration), "image", "usage", *arguments])

    return run


def test_projects_are_summed_up(call):
    got = call("--json")

    assert got.exit_code == 0, got.output
    rows = {row["project"]: row for row in json.loads(got.output)}
    assert rows["demo"] == {
        **{
            "project": "demo",
            "images": 1,
            "stores": {"file": 7, "s3": 7},
            "bytes": 14,
            "downloads": 2,
            "sent_bytes": 14,
            "boots": 0,
        },
        "last_use": "1970-01-01 00:00:00",
    }
    assert (rows["far"]["downloads"], rows["far"]["last_use"]) == (0, None)


@pytest.mark.parametrize(("project", "images"), [("demo", [ID]), ("far", [ID.replace("1", "2")]), ("nobody", [])])
def test_each_image_of_a_project_is_shown(call, project, images):
    got = call("--images", "--project", project, "--json")

    assert got.exit_code == 0, got.output
    assert [row["image"] for row in json.loads(got.output)] == images


def test_people_get_a_table(call):
    assert "demo" in call().output


def test_an_unknown_option_is_refused(call):
    assert call("--colour").exit_code == 2
