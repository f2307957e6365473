"""An image service with a filesystem store, for the Image API's stories."""

from __future__ import annotations

import pytest

from nova_lite.conf.image import ImageOptions
from nova_lite.image.service import make_images


@pytest.fixture
def extra_parts(database, tmp_path):
    options = ImageOptions(store=(tmp_path / "images").as_uri())
    return {"images": make_images(database, tmp_path, options, "http://cloud.test")}


@pytest.fixture
def variables():
    return {"long_name": "n" * 256, "long_tag": "t" * 256, "many": {f"p{number}": "v" for number in range(129)}}
