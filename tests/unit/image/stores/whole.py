"""Whole images in a store: a key for one, its bytes put there and read."""

from __future__ import annotations

import uuid

from nova_lite.image.stores.base import key_of


def new_key():
    return key_of(str(uuid.uuid4()), str(uuid.uuid4()))


def put(store, data, expected=None, key=None):
    """Upload an image, announced with `expected` bytes; give its location."""
    writing = store.begin(key or new_key(), expected)
    try:
        writing.append(data)
        return writing.finalize()
    finally:
        writing.close()


def read(store, location, length):
    """Give the first bytes of an image."""
    opened = store.open(location, 0, length)
    try:
        return opened.read()
    finally:
        opened.close()
