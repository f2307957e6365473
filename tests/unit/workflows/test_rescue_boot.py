"""What a rescue boots with that was accepted before that was kept: nothing that nobody has looked at."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from workflows.servers import new_server

from nova_lite.durable.workflow import StepFailed
from nova_lite.model.image import Image, ImageStatus, Visibility
from nova_lite.workflows import rescue

OWN = {"kernel_id": "own"}


def an_image(disk_format, **properties):
    return Image(
        id=str(uuid.uuid4()), name="i", owner="p", status=ImageStatus.ACTIVE, visibility=Visibility.PRIVATE,
        disk_format=disk_format, container_format="bare", properties=properties,
    )  # fmt: skip


@pytest.fixture
def server():
    return dataclasses.replace(new_server(), image_properties=OWN)


def test_the_servers_own_image_boots_as_the_server_whatever_it_names_by_now(server):
    image = dataclasses.replace(an_image("ami", kernel_id="foreign"), id=server.image_id)

    assert rescue.boot_unchecked(server, image) == OWN
    assert rescue.boot_unchecked(server, an_image("ami")) == OWN


def test_a_kernel_that_nobody_looked_at_is_refused(server):
    with pytest.raises(StepFailed):
        rescue.boot_unchecked(server, an_image("ami", kernel_id="foreign"))


@pytest.mark.parametrize("properties", [{}, {"kernel_id": "nokernel"}, {"ramdisk_id": "foreign"}])
def test_a_disk_with_a_loader_boots_by_it(server, properties):
    assert rescue.boot_unchecked(server, an_image("qcow2", **properties)) == {}
