from __future__ import annotations

import dataclasses

import pytest

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.identity import credentials, passwords, projects, revocations, roles, users
from nova_lite.identity.credentials import CredentialOrder
from nova_lite.identity.throttle import ADDRESS, MOST_BUCKETS, PAIR, USER, Throttle
from nova_lite.identity.tokens import LONGEST_CHAIN
from nova_lite.model.identity import Actor, Assignment, Group, Project, Target

DEFAULT = {"id": "default"}


def wrong(cloud, times, **more):
    for _ in range(times):
        with pytest.raises(errors.Unauthorized):
            cloud.log_in(password="wrong", **more)


def test_guessing_is_slowed_down_for_the_guesser_and_not_for_the_user_elsewhere(cloud):
    wrong(cloud, PAIR.burst)

    with pytest.raises(errors.TooManyRequests) as refused:
        cloud.log_in()

    assert refused.value.details["retry_after_s"] >= 1
    cloud.log_in(address="192.0.2.9")
    cloud.clock.now += PAIR.seconds_each
    cloud.log_in()


def test_many_users_from_one_address_are_slowed_down_too(cloud):
    throttle = Throttle(cloud.clock)
    for number in range(ADDRESS.burst):
        throttle.attempt(f"user {number}", "192.0.2.1")

    with pytest.raises(errors.TooManyRequests):
        throttle.attempt("one more", "192.0.2.1")

    throttle.attempt("one more", "192.0.2.2")


def test_strangers_at_many_addresses_do_not_lock_a_user_out_of_where_it_works(cloud):
    throttle = Throttle(cloud.clock)
    throttle.attempt("demo", "192.0.2.1")
    throttle.succeeded("demo", "192.0.2.1")
    for number in range(USER.burst):
        throttle.attempt("demo", f"198.51.100.{number}")

    with pytest.raises(errors.TooManyRequests):
        throttle.attempt("demo", "203.0.113.1")

    throttle.attempt("demo", "192.0.2.1")


def test_who_was_right_before_may_log_in_many_times_at_once_and_guess_a_bounded_number_of_times(cloud):
    throttle = Throttle(cloud.clock)
    throttle.attempt("demo", "192.0.2.1")
    throttle.succeeded("demo", "192.0.2.1")

    for _ in range(ADDRESS.burst):
        throttle.attempt("demo", "192.0.2.1")

    with pytest.raises(errors.TooManyRequests):
        throttle.attempt("demo", "192.0.2.1")


def test_right_passwords_cost_nothing(cloud):
    throttle = Throttle(cloud.clock)

    for _ in range(1000):
        throttle.attempt("demo", "192.0.2.1")
        throttle.succeeded("demo", "192.0.2.1")


def test_the_throttle_forgets_the_oldest_when_there_are_too_many(cloud):
    throttle = Throttle(cloud.clock)

    for number in range(MOST_BUCKETS):
        throttle.attempt(f"user {number}", f"address {number}")

    assert len(throttle._used) == MOST_BUCKETS


def test_a_disabled_user_does_not_get_in(cloud):
    cloud.transact(lambda tx: users.update(tx, db.USERS.find_by(tx, name="demo"), {"enabled": False}))

    with pytest.raises(errors.Unauthorized):
        cloud.log_in()


def test_a_user_without_a_password_does_not_get_in(cloud):
    cloud.transact(lambda tx: users.update(tx, db.USERS.find_by(tx, name="demo"), {"password_hash": None}))

    with pytest.raises(errors.Unauthorized):
        cloud.log_in(password="")


def test_the_hash_of_nobody_can_be_checked_and_never_fits():
    assert not passwords.matches("anything", None)
    assert not passwords.matches("anything", "not a hash")
    assert passwords.matches("a word", passwords.make_hash("a word"))
    assert not passwords.matches("another", passwords.make_hash("a word"))


def test_roles_come_through_groups_and_from_the_domain_above(cloud):
    def work(tx):
        user = db.USERS.find_by(tx, name="demo")
        manager = db.ROLES.find_by(tx, name="manager")
        group = users.create_group(tx, Group(id="g1", name="crew", domain_id="default"))
        users.join(tx, group.id, user.id)
        made = projects.create(tx, Project(id="p1", name="below", domain_id="default", parent_id="default", created_at=0.0))
        roles.grant(
            tx,
            Assignment(
                actor_kind=Actor.GROUP,
                actor_id=group.id,
                target_kind=Target.DOMAIN,
                target_id="default",
                role_id=manager.id,
                inherited=True,
            ),
        )
        return [role.name for role in roles.effective(tx, user.id, Target.PROJECT, made)], roles.projects_of(tx, user.id)

    held, found = cloud.transact(work)

    assert held == ["manager", "member", "reader"]
    assert [each.name for each in found] == ["admin", "below", "demo"]


def make_credential(cloud, **more):
    with cloud.database.read() as tx:
        user, project = db.USERS.find_by(tx, name="demo"), db.PROJECTS.find_by(tx, name="demo")
    order = CredentialOrder(user_id=user.id, project_id=project.id, name="script", **more)
    return credentials.create(cloud.database, order)


def by_credential(cloud, record, secret, **more):
    body = {"id": record.id, "secret": secret}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": body}, **more}
    return cloud.identity.login.authenticate(auth, "192.0.2.1")


def test_an_application_credential_logs_in_with_its_roles_in_its_project(cloud):
    record, _, secret = make_credential(cloud, roles=("reader",))

    _, claims = by_credential(cloud, record, secret)

    assert (claims.roles, claims.scope_name, claims.methods) == (("reader",), "demo", ("application_credential",))


def test_an_application_credential_cannot_have_more_roles_than_its_user(cloud):
    with pytest.raises(errors.BadRequest):
        make_credential(cloud, roles=("admin",))


def test_an_application_credential_ends_with_its_time_and_its_token_before(cloud):
    record, _, secret = make_credential(cloud, expires_at=cloud.clock.now + 100)

    _, claims = by_credential(cloud, record, secret)

    assert claims.expires_at == cloud.clock.now + 100
    cloud.clock.now += 101
    with pytest.raises(errors.Unauthorized):
        by_credential(cloud, record, secret)


@pytest.mark.parametrize("project", [None, "demo", "admin"])
def test_the_token_of_an_application_credential_makes_no_others(cloud, project):
    record, _, secret = make_credential(cloud)
    token, _ = by_credential(cloud, record, secret)
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
    scope = {"scope": {"project": {"name": project, "domain": DEFAULT}}} if project else {}

    with pytest.raises(errors.Forbidden):
        cloud.identity.login.authenticate(auth | scope, "192.0.2.1")


def test_a_deleted_application_credential_ends_its_tokens(cloud):
    record, _, secret = make_credential(cloud)
    token, _ = by_credential(cloud, record, secret)
    cloud.clock.now += 1

    cloud.transact(lambda tx: credentials.delete(tx, record.user_id, record.id))
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        cloud.identity.tokens.check(token, "req-1")


def rescope(cloud, token, scope):
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}}
    return cloud.identity.login.authenticate(auth if scope is None else {**auth, "scope": scope}, "192.0.2.1")


DEMO = {"project": {"name": "demo", "domain": DEFAULT}}


def test_the_tokens_of_a_chain_name_its_first_and_end_with_it(cloud):
    first, root = cloud.log_in()
    cloud.clock.now += 100
    second, _ = rescope(cloud, first, DEMO)

    _, third = rescope(cloud, second, DEMO)

    assert third.audit_ids[-1] == root.audit_ids[0] != third.audit_ids[0]
    assert third.expires_at == root.expires_at
    assert third.methods == ("password", "token")


def test_a_token_ends_with_each_token_that_it_was_made_from(cloud):
    first, _ = cloud.log_in()
    second, middle = rescope(cloud, first, DEMO)
    third, _ = rescope(cloud, second, DEMO)

    cloud.transact(lambda tx: revocations.revoke(tx, revocations.AUDIT, middle.audit_ids[0]))
    cloud.identity.tokens.refresh()

    cloud.identity.tokens.read(first)
    with pytest.raises(errors.Unauthorized):
        cloud.identity.tokens.read(third)


def test_a_token_that_was_exchanged_very_often_can_still_be_read(cloud):
    token, root = cloud.log_in()
    for _ in range(LONGEST_CHAIN + 5):
        token, claims = rescope(cloud, token, DEMO)

    assert cloud.identity.tokens.read(token).audit_ids == claims.audit_ids
    assert len(claims.audit_ids) == LONGEST_CHAIN + 1
    assert claims.audit_ids[-1] == root.audit_ids[0]


def test_where_it_is_so_decided_only_unscoped_tokens_take_a_scope(cloud):
    rules = cloud.identity.login._rules
    cloud.identity.login._rules = dataclasses.replace(rules, rescopes_scoped=False)
    scoped, _ = cloud.log_in()
    unscoped, _ = cloud.log_in(scope={"unscoped": {}})

    with pytest.raises(errors.Forbidden):
        rescope(cloud, scoped, DEMO)

    assert rescope(cloud, scoped, None)[1].scope is None
    assert rescope(cloud, unscoped, DEMO)[1].scope_name == "demo"


def test_an_unknown_user_costs_as_many_hashes_as_a_wrong_password(cloud, monkeypatch):
    hashed = []
    real = passwords.Argon2id.verify_phc_encoded

    class Counted:
        @staticmethod
        def verify_phc_encoded(password, encoded):
            hashed.append(encoded)
            return real(password, encoded)

    monkeypatch.setattr(passwords, "Argon2id", Counted)

    wrong(cloud, 1)
    wrong(cloud, 1, name="nobody")

    assert len(hashed) == 2
    parameters = {text.split("$")[3] for text in hashed}
    assert parameters == {f"m={passwords.MEMORY_KIB},t={passwords.PASSES},p={passwords.LANES}"}
