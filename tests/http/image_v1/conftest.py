"""The old Image API beside the new one, on one store."""

from __future__ import annotations

import pytest

from nova_lite.conf.image import ImageOptions
from nova_lite.image.service import make_images


@pytest.fixture
def extra_parts(database, tmp_path):
    options = ImageOptions(store=(tmp_path / "images").as_uri())
    return {"images": make_images(database, tmp_path, options, "http://cloud.test")}


@pytest.fixture
def services():
    return ["image", "image-v1", "identity"]
