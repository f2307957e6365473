from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.api.transfers import Transfers


def test_no_more_transfers_run_than_there_are_slots():
    transfers = Transfers(2)

    with transfers.slot(), transfers.slot(), pytest.raises(errors.Unavailable), transfers.slot():
        pass

    with transfers.slot(), transfers.slot():
        pass


def test_a_file_gives_its_slot_back_once_when_it_is_closed(tmp_path):
    path = tmp_path / "bytes"
    path.write_bytes(b"abc")
    transfers = Transfers(1)
    file = path.open("rb")

    held = transfers.held(file)
    with pytest.raises(errors.Unavailable):
        transfers.held(path.open("rb"))
    assert (held.read(1), held.tell(), held.fileno()) == (b"a", 1, file.fileno())
    held.close()
    held.close()

    assert file.closed
    transfers.held(path.open("rb")).close()
