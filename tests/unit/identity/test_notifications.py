"""What is told to other programs, and by which names."""

from __future__ import annotations

import pytest
from oslo_config import cfg

from nova_lite import errors
from nova_lite.api.build import build
from nova_lite.conf import load
from nova_lite.identity.audit import FAILURE, SUCCESS, Event, Initiator
from nova_lite.identity.notifications import Notified


class Kept:
    """An audit that remembers."""

    def __init__(self):
        self.events = []

    def write(self, event):
        self.events.append(event)


def event(action, kind, outcome=SUCCESS):
    return Event(action=action, outcome=outcome, initiator=Initiator(id="u-1"), target_kind=kind, target_id="t-1")


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (event("authenticate", "account/user"), "identity.authenticate"),
        (event("authenticate", "account/user", FAILURE), "identity.authenticate"),
        (event("created.user", "user"), "identity.user.created"),
        (event("updated.password", "user"), "identity.user.updated"),
        (event("deleted.role_assignment", "role_assignment"), "identity.role_assignment.deleted"),
        (event("created.user", "user", FAILURE), None),
        (event("read.user", "user", FAILURE), None),
    ],
)
def test_events_are_kept_and_told_by_keystones_names_but_refusals_are_only_kept(told, name):
    kept, sent = Kept(), []

    Notified(kept, lambda kind, payload: sent.append((kind, payload["resource_info"], payload["outcome"]))).write(told)

    assert kept.events == [told]
    assert sent == ([(name, "t-1", told.outcome)] if name else [])


def test_notifications_without_a_broker_are_refused_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("OS_DEFAULT__STATE_DIR", str(tmp_path))
    monkeypatch.setenv("OS_BROKER__NOTIFICATIONS", "true")

    with pytest.raises(errors.ConfigError, match="notifications"):
        build(load.load([], files=[], conf=cfg.ConfigOpts()))
