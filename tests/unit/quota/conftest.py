"""Counting of statements."""

from __future__ import annotations

import contextlib

import pytest
from sqlalchemy import event


@pytest.fixture
def statements():
    """Give a context that collects the statements of a database, without BEGIN and the like."""

    @contextlib.contextmanager
    def collect(database):
        seen = []

        def note(_connection, _cursor, statement, *_):
            if not statement.startswith(("BEGIN", "PRAGMA")):
                seen.append(statement)

        event.listen(database.engine, "before_cursor_execute", note)
        yield seen
        event.remove(database.engine, "before_cursor_execute", note)

    return collect
