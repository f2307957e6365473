"""The cloud is never left without an administrator by a request."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from nova_lite import errors
from nova_lite.db import assignments as db
from nova_lite.db.engine import Tx


@contextlib.contextmanager
def kept(tx: Tx, *, when: bool = True, force: bool = False) -> Iterator[None]:
    """Let a change happen that may take an administrator away; `when` it cannot, or by `force`, nothing is looked at.

    An administrator is an enabled user who holds the role `admin` on the system, or on a project or domain that is enabled.
    Raises: Forbidden, with nothing changed, when there was one before and would be none.
    """
    if force or not when:
        yield
        return
    db.hold_admins(tx)
    had = db.has_admin(tx)
    yield
    if had and not db.has_admin(tx):
        raise errors.Forbidden("Nobody would be left who administers the cloud. Give the role admin to somebody else first.")
