"""Flavors' own rules."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.db.engine import Database
from nova_lite.db.schema import create_all
from nova_lite.servers import flavors

SMILES = "\N{GRINNING FACE}" * 16_384  # 65,536 bytes


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{tmp_path / 'flavors.db'}")
    create_all(made)
    flavors.bootstrap(made)
    yield made
    made.dispose()


def test_a_description_that_no_column_takes_is_refused(database):
    with pytest.raises(errors.BadRequest):
        database.transact(lambda tx: flavors.describe(tx, "1", SMILES))


def test_a_description_may_be_as_long_as_its_column(database):
    database.transact(lambda tx: flavors.describe(tx, "1", SMILES[1:]))

    with database.read() as tx:
        assert flavors.get(tx, "1").description == SMILES[1:]
