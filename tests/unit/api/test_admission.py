"""Who is let in when more come than fit: shares by kind, projects in fairness, refusals at once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading

import pytest

from nova_lite import errors
from nova_lite.api import admission
from nova_lite.api.admission import Admission, Kind, kind_of


@pytest.fixture(autouse=True)
def impatient():
    """All requests of this thread have waited long enough already."""
    admission.note_queued(admission.BURST_S)
    yield
    admission.note_queued(0.0)


def hold(stack, gates, kind, times, project=None):
    for _ in range(times):
        stack.enter_context(gates.slot(kind, project))


@pytest.mark.parametrize(
    ("method", "path", "more", "kind"),
    [
        ("GET", "/servers", {}, Kind.LIST),
        ("GET", "/servers/detail", {}, Kind.LIST),
        ("GET", "/servers/{server_id}", {}, Kind.READ),
        ("POST", "/servers", {}, Kind.CHANGE),
        ("DELETE", "/servers/{server_id}", {}, Kind.CHANGE),
        ("GET", "/os-services", {}, Kind.OPERATOR),
        ("PUT", "/os-services/{service_id}", {}, Kind.OPERATOR),
        ("POST", "/auth/tokens", {"token": False}, Kind.LOGIN),
        ("GET", "/", {"token": False}, Kind.FREE),
        ("PUT", "/images/{image_id}/file", {"raw": True}, Kind.FREE),
    ],
)
def test_a_route_has_a_kind_by_its_method_and_path(method, path, more, kind):
    assert kind_of(method, path, **more) is kind


def test_a_flood_of_lists_leaves_everybody_else_their_share():
    gates = Admission(16)
    with contextlib.ExitStack() as stack:
        hold(stack, gates, Kind.LIST, 4)

        with pytest.raises(errors.Unavailable) as refused, gates.slot(Kind.LIST):
            pass
        for kind in (Kind.READ, Kind.CHANGE, Kind.OPERATOR, Kind.LOGIN, Kind.FREE):
            with gates.slot(kind, "p"):
                pass

    assert refused.value.retry_after_s == 1


def test_slots_are_given_back_after_errors_too():
    gates = Admission(2)
    for _ in range(5):
        with contextlib.suppress(errors.Conflict), gates.slot(Kind.CHANGE, "p"):
            raise errors.Conflict

    with gates.slot(Kind.CHANGE, "p"):
        pass


def test_a_project_with_half_of_all_changes_in_hand_is_told_so():
    gates = Admission(16)
    with contextlib.ExitStack() as stack:
        hold(stack, gates, Kind.CHANGE, 6, "greedy")
        hold(stack, gates, Kind.CHANGE, 2, "modest")

        with pytest.raises(errors.TooManyRequests) as greedy, gates.slot(Kind.CHANGE, "greedy"):
            pass
        with pytest.raises(errors.Unavailable), gates.slot(Kind.CHANGE, "modest"):
            pass

    assert greedy.value.details["retry_after_s"] == 1


def test_a_project_alone_has_all_slots():
    gates = Admission(16)
    with contextlib.ExitStack() as stack:
        hold(stack, gates, Kind.CHANGE, 8, "alone")


def test_a_slot_that_gets_free_goes_to_the_project_that_has_few():
    gates = Admission(8)
    order = []
    begun = threading.Barrier(3)

    def ask(project):
        begun.wait()
        admission.note_queued(-30.0)  # patient
        with gates.slot(Kind.CHANGE, project):
            order.append(project)

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        with contextlib.ExitStack() as stack:
            hold(stack, gates, Kind.CHANGE, 3, "greedy")
            last = contextlib.ExitStack()
            hold(last, gates, Kind.CHANGE, 1, "greedy")
            asked = [pool.submit(ask, project) for project in ("greedy", "modest")]
            begun.wait()
            while gates._gates[Kind.CHANGE]._modest_waiting == 0:
                pass
            last.close()
            asked[1].result(30)
            assert order[0] == "modest"
        asked[0].result(30)


def test_who_has_just_come_waits_a_moment_for_a_slot():
    gates = Admission(4)
    admission.note_queued(-30.0)
    held = contextlib.ExitStack()
    hold(held, gates, Kind.LIST, 1)
    timer = threading.Timer(0.05, held.close)
    timer.start()

    with gates.slot(Kind.LIST):
        timer.join()


def test_nobody_waits_for_a_slow_host_while_others_do():
    gates = Admission(4)
    admission.note_queued(-30.0)
    with gates.slot(Kind.HOST), pytest.raises(errors.Unavailable), gates.slot(Kind.HOST):
        pass


@pytest.mark.parametrize("kind", list(Kind))
def test_who_came_longer_ago_than_anybody_waits_is_refused_although_all_slots_are_free(kind):
    admission.note_queued(admission.BURST_S + 0.01)

    with pytest.raises(errors.Busy) as refused, Admission(16).slot(kind, "p"):
        pass

    assert refused.value.retry_after_s == 1
