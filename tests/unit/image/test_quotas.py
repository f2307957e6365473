"""What projects may have of images: as registered for the image service, else without end."""

from __future__ import annotations

import io

import pytest

from nova_lite import errors
from nova_lite.db import identity
from nova_lite.db import limits as rows
from nova_lite.image import quotas
from nova_lite.image.upload import Order
from nova_lite.model.identity import CatalogService
from nova_lite.model.limits import Limit, RegisteredLimit

MIB = 1 << 20


@pytest.fixture
def register(database):
    """Give the function that registers a limit of the image service, and another one for the project."""

    def make(name, default, own=None):
        def work(tx):
            if identity.SERVICES.find(tx, "i") is None:
                identity.SERVICES.insert(tx, CatalogService(id="i", type="image", name="glance"))
            rows.REGISTERED.insert(tx, RegisteredLimit(id=name, service_id="i", resource_name=name, default_limit=default))
            if own is not None:
                rows.LIMITS.insert(tx, Limit(id=name, registered_limit_id=name, resource_limit=own, project_id="p"))

        database.transact(work)

    return make


def require(database, **wanted):
    with database.read() as tx:
        quotas.require(tx, "p", wanted)


def test_nothing_is_limited_that_is_not_registered(database, register):
    register(quotas.COUNT, 5)

    with database.read() as tx:
        assert quotas.limits_of(tx, "p") == {quotas.SIZE: -1, quotas.STAGE: -1, quotas.COUNT: 5, quotas.UPLOADING: -1}
    require(database, image_size_total=1 << 40)


def test_a_projects_own_limit_comes_before_the_registered_one(database, register, make_image):
    register(quotas.COUNT, 0, own=1)

    require(database, image_count_total=1)
    make_image()
    with pytest.raises(errors.OverQuota, match="image_count_total: 1 allowed, 1 used"):
        require(database, image_count_total=1)


def test_bytes_count_in_whole_mebibytes_kept_and_staged_apart(database, register, make_image, images, upload):
    register(quotas.SIZE, 3)
    upload(make_image(), bytes(MIB + 1))
    images.stage(Order(image_id=make_image().id, read=io.BytesIO(bytes(5)).read))
    upload(make_image(owner="another"), bytes(5 * MIB))

    with database.read() as tx:
        used = quotas.usage_of(tx, "p")

    assert used == {quotas.SIZE: 2, quotas.STAGE: 1, quotas.COUNT: 2, quotas.UPLOADING: 1}
    require(database, image_size_total=1)
    with pytest.raises(errors.OverQuota):
        require(database, image_size_total=2)
