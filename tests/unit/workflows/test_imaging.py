"""What an image of a server says, and whether the guest's agent is asked for help."""

from __future__ import annotations

import pytest
from workflows.fake_images import FakeImages
from workflows.servers import CONTEXT, PROJECT, new_server

from nova_lite.clock import SystemClock
from nova_lite.db import schema
from nova_lite.db.engine import Database
from nova_lite.model.image import ImageStatus, Visibility
from nova_lite.model.server import ServerState
from nova_lite.rpc.commands import Quiesce
from nova_lite.workflows import imaging


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path}/images.db", SystemClock())
    schema.create_all(made)
    yield made
    made.dispose()


def made_of(database, server, properties=None):
    images = FakeImages(database)
    return database.transact(lambda tx: imaging.new_image(tx, images, CONTEXT, server, "copy", properties or {}))


@pytest.mark.parametrize(
    ("properties", "state", "quiesce"),
    [
        ({}, ServerState.ACTIVE, Quiesce.NO),
        ({"hw_qemu_guest_agent": "yes"}, ServerState.ACTIVE, Quiesce.TRY),
        ({"hw_qemu_guest_agent": "True", "os_require_quiesce": "yes"}, ServerState.ACTIVE, Quiesce.MUST),
        ({"os_require_quiesce": "no", "hw_qemu_guest_agent": "1"}, ServerState.ACTIVE, Quiesce.TRY),
        ({"hw_qemu_guest_agent": "no"}, ServerState.ACTIVE, Quiesce.NO),
        ({"os_require_quiesce": "yes"}, ServerState.STOPPED, Quiesce.NO),
        ({"os_require_quiesce": "yes"}, ServerState.PAUSED, Quiesce.NO),
    ],
)
def test_the_agent_helps_a_running_guest_as_its_image_wants(properties, state, quiesce):
    assert imaging.quiesce_of(new_server(state=state, image_properties=properties)) is quiesce


def test_what_is_true_of_the_guest_is_inherited_and_what_is_true_of_the_old_bytes_is_not(database):
    old = {"hw_disk_bus": "ide", "os_type": "linux", "img_signature": "x", "img_signature_uuid": "x", "image_type": "backup"}
    server = new_server(image_properties=old)

    image = made_of(database, server, {"mine": "yes", "os_type": "other"})

    assert image.properties == {
        "hw_disk_bus": "ide",
        "os_type": "other",
        "mine": "yes",
        "image_type": "snapshot",
        "instance_uuid": server.id,
        "base_image_ref": server.image_id,
        "user_id": CONTEXT.user_id,
        "owner_id": PROJECT,
        "image_location": "snapshot",
        "image_state": "available",
    }
    assert (image.owner, image.status, image.visibility) == (PROJECT, ImageStatus.QUEUED, Visibility.PRIVATE)
    assert (image.disk_format, image.container_format, image.min_disk_gib) == ("qcow2", "bare", 1)
