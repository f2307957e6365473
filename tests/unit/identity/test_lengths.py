"""Texts of the API fit their columns on every database."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.api.identity.schemas import parts
from nova_lite.api.validate import BodySchema

TEXT_BYTES = 65_535  # MariaDB's TEXT


def test_the_longest_description_fits_whatever_its_characters_are():
    longest = "\N{GRINNING FACE}" * parts.DESCRIPTION["maxLength"]

    BodySchema(parts.DESCRIPTION).check(longest)

    assert len(longest.encode()) <= TEXT_BYTES


def test_a_longer_description_is_refused():
    with pytest.raises(errors.BadRequest):
        BodySchema(parts.DESCRIPTION).check("x" * (parts.DESCRIPTION["maxLength"] + 1))
