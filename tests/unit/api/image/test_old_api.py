"""Whether the old Image API is there, and what it writes into headers."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import prometheus_client
import pytest

from nova_lite import errors
from nova_lite.api.daemon import Door
from nova_lite.api.image_v1.headers import written
from nova_lite.api.services import load
from nova_lite.conf.api import ApiOptions


def test_the_old_image_api_is_served_only_where_it_is_named():
    default = [service.root for service in load()]
    named = load(["image", "image-v1"])

    assert "/image/v1" not in default
    assert [service.root for service in named] == ["/image/v2", "/image/v1"]
    assert load(["image"])[0].documents != named[0].documents
    with pytest.raises(errors.ConfigError):
        load(["image-v3"])


def test_headers_are_utf_8_without_control_characters():
    said = written({"name": "ü\r\nX: 1", "size": 0, "checksum": None, "properties": {"a b": "x", "k": "雲"}})

    assert said["X-Image-Meta-name"].encode("latin-1").decode() == "ü  X: 1"
    assert said["X-Image-Meta-Property-k"].encode("latin-1").decode() == "雲"
    assert set(said) == {"X-Image-Meta-name", "X-Image-Meta-size", "X-Image-Meta-Property-k"}


@pytest.mark.parametrize(("underscores", "kept"), [(True, "dangerous"), (False, "drop")])
def test_headers_with_underscores_are_read_only_for_old_clients(underscores, kept):
    built = SimpleNamespace(parts=SimpleNamespace(options=ApiOptions()))
    with socket.socket() as listener:
        door = Door(None, built, None, listener, underscores=underscores)
        prometheus_client.REGISTRY.unregister(door.turned_away)

    assert door.cfg.header_map == kept
