"""A mutating request with an Idempotency-Key is done once, and its first answer given again."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from unit.api import retried
from unit.api.retried import PATH, post, post_at_once

from nova_lite import errors
from nova_lite.db.engine import Database
from nova_lite.db.tables.journal import kept_answers
from nova_lite.durable import idempotency


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    yield database
    database.dispose()


@pytest.fixture
def made(database):
    return retried.make(database)


@pytest.fixture
def things(made):
    return made[0]


@pytest.fixture
def client(made):
    return made[1]


def rows(database):
    with database.read() as tx:
        return tx.execute(sa.select(kept_answers)).mappings().all()


def test_the_first_answer_is_given_again_with_a_request_id_of_its_own(things, client):
    first = post(client)
    again = post(client)

    assert (again.status_code, again.text) == (first.status_code, first.text) == (202, first.text)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["x-openstack-request-id"] != first.headers["x-openstack-request-id"]
    assert things.names() == ["x"]


def test_without_a_key_each_request_is_done(things, client):
    assert post(client, key=None).json != post(client, key=None).json
    assert things.names() == ["x", "x"]


def test_the_order_of_a_bodys_fields_does_not_matter_and_all_else_does(things, client):
    post(client, "a")

    for other in (
        post(client, "b"),
        post(client, "a", path=PATH + "?x=1"),
        client.simulate_delete(PATH + "/a", headers={"X-Auth-Token": "u/p/member", "Idempotency-Key": "k"}),
        post(client, "a", path="/compute/v1/looks"),
    ):
        assert other.status_code == 422
        assert "another request" in other.json["unprocessableEntity"]["message"]
    assert things.names() == ["a"]


@pytest.mark.parametrize("who", ["other/p/member", "u/other/member"])
def test_a_key_belongs_to_a_user_and_the_scope_of_its_token(things, client, who):
    first = post(client)
    other = post(client, who=who)

    assert other.status_code == 202
    assert other.json["number"] != first.json["number"]
    assert things.names() == ["x", "x"]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "h\xe9"])
def test_a_malformed_key_is_refused(things, client, key):
    answer = post(client, key=key)

    assert answer.status_code == 400
    assert "1 to 255 printable ASCII" in answer.json["badRequest"]["message"]
    assert things.names() == []


def test_a_key_may_be_long(things, client):
    assert post(client, key="~ x" * 85).status_code == post(client, key="~ x" * 85).status_code == 202
    assert things.names() == ["x"]


def test_a_refused_request_keeps_nothing_and_is_judged_anew(things, client, database):
    assert post(client, "bad").status_code == 409
    assert things.names() == []
    assert rows(database) == []

    assert post(client, "bad").status_code == 409
    assert things.calls == 2
    assert post(client, "good").status_code == 202


def test_a_removal_is_answered_alike_though_there_is_nothing_to_remove_any_more(things, client):
    post(client)
    headers = {"X-Auth-Token": "u/p/member", "Idempotency-Key": "k2"}

    assert client.simulate_delete(PATH + "/x", headers=headers).status_code == 204
    again = client.simulate_delete(PATH + "/x", headers=headers)
    assert (again.status_code, again.text, again.headers["idempotency-replayed"]) == (204, "", "true")
    assert client.simulate_delete(PATH + "/x", headers={"X-Auth-Token": "u/p/member"}).status_code == 404


def test_a_removal_that_was_done_while_this_one_looked_is_answered_alike(client, monkeypatch):
    post(client)
    headers = {"X-Auth-Token": "u/p/member", "Idempotency-Key": "k2"}
    client.simulate_delete(PATH + "/x", headers=headers)
    recall, looks = idempotency.recall, []

    def too_early(tx, ticket):
        looks.append(1)
        return None if len(looks) == 1 else recall(tx, ticket)

    monkeypatch.setattr(idempotency, "recall", too_early)

    assert client.simulate_delete(PATH + "/x", headers=headers).status_code == 204
    assert len(looks) == 2


def test_a_request_that_writes_nothing_has_its_answer_kept_too(client):
    headers = {"X-Auth-Token": "u/p/member", "Idempotency-Key": "k"}

    assert client.simulate_post("/compute/v1/looks", headers=headers).json == {"calls": 1}
    assert client.simulate_post("/compute/v1/looks", headers=headers).json == {"calls": 1}


def test_reads_and_routes_that_say_so_ignore_the_key(client, database):
    headers = {"X-Auth-Token": "u/p/member", "Idempotency-Key": "\t"}

    assert client.simulate_get("/compute/v1/looks", headers=headers).json == {"calls": 1}
    assert client.simulate_get("/compute/v1/looks", headers=headers).json == {"calls": 2}
    assert client.simulate_post("/compute/v1/logins", headers=headers).json == {"calls": 3}
    assert rows(database) == []


def test_token_rule_and_body_are_checked_before_a_kept_answer_is_given(things, client):
    post(client)

    assert client.simulate_post(PATH, json={"name": "x"}, headers={"Idempotency-Key": "k"}).status_code == 401
    assert post(client, who="u/p/reader").status_code == 403
    assert post(client, "much too long").status_code == 400


def test_who_has_lost_a_role_is_not_given_what_it_may_have_needed(client):
    assert post(client, who="u/p/member,admin").status_code == 202
    lost = post(client, who="u/p/member")
    assert lost.status_code == 403
    assert "hush" not in lost.text
    assert post(client, who="u/p/member,admin,reader").status_code == 202


def test_the_table_shows_neither_key_nor_body_nor_answer(client, database):
    post(client, "pa55word", key="a-very-secret-key")

    [row] = rows(database)
    text = " ".join(str(value) for value in row.values())
    for secret in ("hush", "a-very", "pa55", "number", "u/p"):
        assert secret not in text
    assert all(len(row[name]) == 64 for name in ("scope", "key", "fingerprint"))


def test_a_sealed_answer_cannot_be_moved_to_another_key(client, database):
    post(client, "a", key="k1")
    post(client, "b", key="k2")
    first, second = rows(database)
    database.transact(
        lambda tx: tx.execute(kept_answers.update().where(kept_answers.c.key == first["key"]).values(answer=second["answer"]))
    )

    moved = [post(client, name, key=key) for name, key in (("a", "k1"), ("b", "k2"))]

    assert sorted(answer.status_code for answer in moved) == [202, 500]


def test_a_process_that_dies_between_commit_and_answer_has_done_it_once(things, client, monkeypatch):
    jointly = Database.jointly

    def die(self, work, **ends):
        jointly(self, work, **ends)
        raise errors.Unavailable("the process died here")

    with monkeypatch.context() as patched:
        patched.setattr(Database, "jointly", die)
        patched.setattr("nova_lite.api.idempotency.Kept._recall", lambda self: None)
        assert post(client).status_code == 503

    again = post(client)
    assert (again.status_code, again.json["number"]) == (202, 1)
    assert things.names() == ["x"]


def test_a_process_that_dies_before_the_commit_has_done_nothing(things, client, database, monkeypatch):
    def die(*_):
        raise errors.Unavailable("the process died here")

    with monkeypatch.context() as patched:
        patched.setattr("nova_lite.durable.idempotency.keep", die)
        assert post(client).status_code == 503
    assert (things.names(), rows(database)) == ([], [])

    assert post(client).status_code == 202
    assert things.names() == ["x"]


def test_many_at_once_are_done_once(things, client):
    answers = post_at_once(client, 8)

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert things.names() == ["x"]


def test_who_comes_while_the_first_still_runs_waits_for_its_answer(things, client):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(post(client, "slow"))) for _ in range(2)]
    threads[0].start()
    assert things.writing.wait(10)
    threads[1].start()
    threads[1].join(0.3)
    assert answers == []

    things.hold.set()
    for thread in threads:
        thread.join(30)

    assert len({answer.text for answer in answers}) == 1
    assert things.names() == ["slow"]


def test_a_request_without_a_key_costs_no_further_statement(client, database):
    seen = []
    event.listen(database.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))

    post(client, key=None)
    plain = [text.split()[0] for text in seen]
    seen.clear()
    post(client)
    keyed = [text.split()[0] for text in seen if text.split()[0] not in ("SAVEPOINT", "RELEASE")]
    seen.clear()
    post(client)

    assert plain == ["BEGIN", "INSERT"]
    assert keyed == ["BEGIN", "SELECT", "BEGIN", "INSERT", "INSERT", "UPDATE"]
    assert [text.split()[0] for text in seen] == ["BEGIN", "SELECT"]
