from __future__ import annotations

import base64
import dataclasses
import time

import pytest

from nova_lite import errors
from nova_lite.clock import SimulatedClock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.db import identity as db
from nova_lite.identity import keys, projects, revocations, roles, users
from nova_lite.identity.service import ensure_all_keys, make_identity
from nova_lite.identity.throttle import PAIR, Throttle
from nova_lite.identity.tokens import REFRESH_S
from nova_lite.identity.vault import vault_file


def check(cloud, token):
    return cloud.identity.tokens.check(token, "req-1")


def test_a_token_says_who_holds_it_and_where(cloud):
    token, _ = cloud.log_in()

    context = check(cloud, token)

    assert (context.user_name, context.project_name, context.request_id) == ("demo", "demo", "req-1")
    assert context.roles == {"member", "reader"}
    assert context.user_domain_id == context.project_domain_id == "default"
    assert not context.is_admin


def test_a_token_is_short(cloud):
    token, _ = cloud.log_in("admin", "admin-pw")

    assert len(token) < 600


def test_an_expired_token_is_refused(cloud):
    token, claims = cloud.log_in()
    cloud.clock.now = claims.expires_at - 0.01
    check(cloud, token)

    cloud.clock.now = claims.expires_at

    with pytest.raises(errors.Unauthorized):
        check(cloud, token)


def forgeries(token):
    prefix, key_id, payload, mac = token.split(".")
    text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    forged = base64.urlsafe_b64encode(text.replace(b'"member"', b'"admin"')).rstrip(b"=").decode()
    flipped = ("B" if mac[0] == "A" else "A") + mac[1:]
    return {
        "empty": "",
        "words": "not a token",
        "other payload": f"{prefix}.{key_id}.{forged}.{mac}",
        "other mac": f"{prefix}.{key_id}.{payload}.{flipped}",
        "no mac": f"{prefix}.{key_id}.{payload}.",
        "cut": token[:-1],
        "longer": token + "A",
        "unknown key": f"{prefix}.00000000.{payload}.{mac}",
        "other kind": f"nl2.{key_id}.{payload}.{mac}",
        "too many parts": token + ".x",
        "not ascii": token + "é",
        "huge": token + "A" * 100_000,
        "fernet": "gAAAAABn" + "x" * 180,
    }


@pytest.mark.parametrize("kind", list(forgeries("a.b.WyJtZW1iZXIiXQ.d")))
def test_a_forged_token_is_refused(cloud, kind):
    token, _ = cloud.log_in()

    with pytest.raises(errors.Unauthorized):
        check(cloud, forgeries(token)[kind])


def test_a_token_of_another_cloud_is_refused(cloud, tmp_path):
    ensure_all_keys(tmp_path / "elsewhere", 0.0)
    elsewhere = make_identity(cloud.database, tmp_path / "elsewhere", IdentityOptions(), cloud.clock)
    _, claims = cloud.log_in()

    with pytest.raises(errors.Unauthorized):
        check(cloud, elsewhere.tokens.issue(claims))


def test_checking_takes_no_io_and_under_150_microseconds(cloud, monkeypatch):
    token, _ = cloud.log_in()
    check(cloud, token)
    cloud.transact(lambda tx: revocations.revoke(tx, revocations.USER, "somebody"))
    cloud.identity.tokens.refresh()
    monkeypatch.setattr(cloud.database, "read", None)
    cloud.keys.unlink()

    started = time.process_time()
    for _ in range(2000):
        check(cloud, token)

    assert (time.process_time() - started) / 2000 < 150e-6


def test_tokens_outlive_a_rotation_and_die_with_the_second_one_after_their_time(cloud):
    old, _ = cloud.log_in()
    cloud.clock.now += 60
    keys.rotate(cloud.keys, cloud.clock.now, 3600)
    cloud.identity.tokens.refresh()
    cloud.clock.now += keys.LEAD_S
    new, _ = cloud.log_in()

    assert old.split(".")[1] != new.split(".")[1]
    check(cloud, old)
    check(cloud, new)

    cloud.clock.now += 3600 + keys.SLACK_S + 1
    keys.rotate(cloud.keys, cloud.clock.now, 3600)
    assert old.split(".")[1] not in [key.id for key in keys.read(cloud.keys)]
    assert new.split(".")[1] in [key.id for key in keys.read(cloud.keys)]


def test_a_new_key_does_not_sign_before_every_process_can_know_it(cloud):
    before, _ = cloud.log_in()
    keys.rotate(cloud.keys, cloud.clock.now, 3600)
    cloud.identity.tokens.refresh()

    after, _ = cloud.log_in()

    assert before.split(".")[1] == after.split(".")[1]


def test_the_key_file_is_its_owners_alone(cloud):
    assert cloud.keys.stat().st_mode & 0o777 == 0o600
    assert cloud.keys.parent.stat().st_mode & 0o777 == 0o700


def test_a_broken_key_file_is_told_and_the_known_keys_stay(cloud):
    token, _ = cloud.log_in()
    cloud.keys.write_text("{}", encoding="ascii")

    with pytest.raises(errors.ConfigError):
        cloud.identity.tokens.refresh()

    check(cloud, token)


SPOILT = {
    "no file": lambda path: path.unlink(),
    "not what we wrote": lambda path: path.write_text("{}", encoding="ascii"),
    "empty": lambda path: path.write_text("", encoding="ascii"),
    "no file that can be read": lambda path: (path.unlink(), path.mkdir()),
    "a key that is too short": lambda path: path.write_text(
        '{"keys": [{"id": "a", "secret": "eA==", "signs_from": 0}]}', encoding="ascii"
    ),
}


@pytest.mark.parametrize("way", list(SPOILT))
@pytest.mark.parametrize("which", [keys.key_file, vault_file], ids=["tokens", "stored secrets"])
def test_a_start_with_keys_that_cannot_be_used_ends_with_a_sentence_that_names_the_file(cloud, which, way):
    path = which(cloud.folder)
    SPOILT[way](path)

    with pytest.raises(errors.ConfigError) as refused:
        make_identity(cloud.database, cloud.folder, IdentityOptions(), cloud.clock)

    assert str(path) in refused.value.message


def test_every_process_takes_a_new_key_up_without_a_restart_and_keeps_the_old_one(cloud):
    other = make_identity(cloud.database, cloud.folder, IdentityOptions(), cloud.clock)
    old, _ = cloud.log_in()
    keys.rotate(cloud.keys, cloud.clock.now, 3600)
    cloud.clock.now += keys.LEAD_S
    cloud.identity.tokens.refresh()

    new, _ = cloud.log_in()

    assert old.split(".")[1] != new.split(".")[1]
    other.tokens.check(new, "req-1")  # which it has not looked for yet
    other.tokens.check(old, "req-1")


def test_processes_look_for_revocations_and_keys_once_a_second():
    assert REFRESH_S <= 1.0


def demo(tx):
    return db.USERS.find_by(tx, name="demo")


def project(tx):
    return db.PROJECTS.find_by(tx, name="demo")


def withdraw(tx):
    user = demo(tx)
    (held,) = db.ASSIGNMENTS.list_by(tx, actor_id=user.id)
    roles.withdraw(tx, held)


ENDINGS = {
    "its user is disabled": lambda tx: users.update(tx, demo(tx), {"enabled": False}),
    "its user gets a new password": lambda tx: users.update(tx, demo(tx), {"password_hash": "x"}),
    "its user is deleted": lambda tx: users.delete(tx, demo(tx).id),
    "its project is disabled": lambda tx: projects.update(tx, project(tx), {"enabled": False}),
    "its project is deleted": lambda tx: projects.delete_project(tx, project(tx).id),
    "its role is withdrawn": withdraw,
}


@pytest.mark.parametrize("ending", list(ENDINGS))
def test_a_token_ends_when(cloud, ending):
    other = make_identity(cloud.database, cloud.folder, IdentityOptions(), cloud.clock)
    token, _ = cloud.log_in()
    admin, _ = cloud.log_in("admin", "admin-pw")
    check(cloud, token)
    other.tokens.check(token, "req-1")
    cloud.clock.now += 1

    cloud.transact(ENDINGS[ending])

    for tokens in (cloud.identity.tokens, other.tokens):  # two processes, each at its next look
        tokens.refresh()
        with pytest.raises(errors.Unauthorized):
            tokens.check(token, "req-1")
        tokens.check(admin, "req-1")


def test_tokens_end_when_a_role_is_deleted_that_they_hold_or_that_theirs_implies(cloud):
    tokens = [cloud.log_in()[0], cloud.log_in("admin", "admin-pw")[0]]

    cloud.transact(lambda tx: roles.delete(tx, db.ROLES.find_by(tx, name="member").id))
    cloud.identity.tokens.refresh()

    for token in tokens:
        with pytest.raises(errors.Unauthorized):
            check(cloud, token)


def test_a_token_made_after_a_revocation_is_good(cloud):
    cloud.transact(lambda tx: revocations.revoke(tx, revocations.USER, demo(tx).id))
    cloud.clock.now += 0.001

    token, _ = cloud.log_in()
    cloud.identity.tokens.refresh()

    check(cloud, token)


def test_revocations_are_forgotten_when_no_token_can_be_that_old(cloud):
    cloud.transact(lambda tx: revocations.revoke(tx, revocations.USER, "long ago"))
    cloud.clock.now += revocations.KEPT_S + 1

    cloud.transact(lambda tx: revocations.revoke(tx, revocations.USER, "now"))

    with cloud.database.read() as tx:
        _, found = db.revocations_since(tx, 0)
    assert [each.value for each in found] == ["now"]


def test_another_process_learns_of_a_revocation_at_its_next_look(cloud):
    other = make_identity(cloud.database, cloud.folder, IdentityOptions(), cloud.clock)
    token, claims = cloud.log_in()
    other.tokens.check(token, "req-1")
    cloud.clock.now += 1

    cloud.transact(lambda tx: revocations.revoke(tx, revocations.AUDIT, claims.audit_ids[0]))
    other.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        other.tokens.check(token, "req-1")


def test_logging_out_ends_the_tokens_made_from_that_one(cloud):
    first, claims = cloud.log_in()
    auth = {"identity": {"methods": ["token"], "token": {"id": first}}, "scope": "unscoped"}
    second, second_claims = cloud.identity.login.authenticate(auth, "192.0.2.1")
    assert second_claims.audit_ids[1] == claims.audit_ids[0]
    assert second_claims.expires_at == claims.expires_at
    cloud.clock.now += 1

    cloud.transact(lambda tx: revocations.revoke(tx, revocations.AUDIT, claims.audit_ids[0]))
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        check(cloud, second)


def test_a_database_that_is_away_at_the_start_is_an_outage_not_a_pass(cloud, tmp_path):
    away = type(cloud.database)(f"sqlite:///{tmp_path / 'missing' / 'x.db'}", SimulatedClock(cloud.clock.now))
    token, _ = cloud.log_in()
    started = make_identity(away, cloud.folder, IdentityOptions(), cloud.clock)

    with pytest.raises(errors.Unavailable):
        started.tokens.check(token, "req-1")


# -- apis whose clocks differ --------------------------------------------------------------------------------------------


@pytest.fixture
def api(cloud):
    """Give a function that makes another api of this cloud, with a clock that is wrong by some seconds."""
    made = []

    def make(by_s):
        clock = SimulatedClock(cloud.clock.now + by_s)
        database = type(cloud.database)(str(cloud.database.engine.url), clock)
        made.append(database)
        return type(cloud)(database, clock, cloud.folder, make_identity(database, cloud.folder, IdentityOptions(), clock))

    yield make
    for database in made:
        database.dispose()


def demo_user(tx):
    return revocations.revoke(tx, revocations.USER, demo(tx).id)


@pytest.mark.parametrize("issuer_s", [-60, 0, 60])
@pytest.mark.parametrize("revoker_s", [-60, 0, 60])
def test_a_revocation_ends_what_was_made_before_it_and_nothing_made_after_it(cloud, api, issuer_s, revoker_s):
    issuer, revoker = api(issuer_s), api(revoker_s)
    before, _ = issuer.log_in()
    check(revoker, before)

    revoker.transact(demo_user)
    after, _ = issuer.log_in()

    for each in (issuer, revoker, cloud):
        each.identity.tokens.refresh()
        check(each, after)
        with pytest.raises(errors.Unauthorized):
            check(each, before)


@pytest.mark.parametrize("by_s", [-60, 60])
def test_a_logout_at_one_api_ends_the_token_at_the_other(cloud, api, by_s):
    behind = api(by_s)
    token, claims = cloud.log_in()

    behind.transact(lambda tx: revocations.revoke(tx, revocations.AUDIT, claims.audit_ids[0]))
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        check(cloud, token)


def test_a_token_that_has_just_ended_makes_no_other(cloud, api):
    other = api(0)
    token, claims = cloud.log_in()
    other.identity.tokens.refresh()
    cloud.transact(demo_user)

    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": "unscoped"}
    with pytest.raises(errors.Unauthorized):
        other.identity.login.authenticate(auth, "192.0.2.1")


def test_what_is_revoked_while_somebody_logs_in_ends_that_token_too(cloud, monkeypatch):
    login = cloud.identity.login
    prove = login._prove

    def slowly(identity, address):
        proof = prove(identity, address)
        cloud.transact(demo_user)
        return proof

    monkeypatch.setattr(login, "_prove", slowly)
    token, _ = cloud.log_in()
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        check(cloud, token)


def test_the_number_of_a_forgotten_revocation_is_not_used_again(cloud):
    cloud.transact(demo_user)
    cloud.clock.now += revocations.KEPT_S + 1
    token, _ = cloud.log_in()

    cloud.transact(demo_user)
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        check(cloud, token)


def test_a_token_of_the_first_release_is_compared_by_time(cloud):
    _, claims = cloud.log_in()
    old = cloud.identity.tokens.issue(dataclasses.replace(claims, revoked_before=None))
    check(cloud, old)

    cloud.transact(demo_user)
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        check(cloud, old)


def test_a_key_that_another_api_signs_with_already_is_looked_for(cloud, api):
    ahead = api(60)
    cloud.log_in()
    keys.rotate(cloud.keys, cloud.clock.wall(), 3600)
    ahead.identity.tokens.refresh()
    token, _ = ahead.log_in()

    check(cloud, token)


def test_of_two_processes_that_start_together_the_first_makes_the_keys(tmp_path, monkeypatch):
    path = keys.key_file(tmp_path)
    write = keys.write_secret

    def meet(asked, content, **how):
        monkeypatch.setattr(keys, "write_secret", write)
        keys.ensure_keys(path, 2.0)  # the other one is faster
        write(asked, content, **how)

    monkeypatch.setattr(keys, "write_secret", meet)
    keys.ensure_keys(path, 1.0)

    assert [key.signs_from for key in keys.read(path)] == [2.0]
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o600


# -- a clock that jumps --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_s", [-86_400.0 * 365, -86_400.0, -3600.0, -1.0, 1.0, 3599.0])
def test_a_jump_of_the_clock_ends_no_token_early_and_brings_none_back(cloud, by_s):
    kept, _ = cloud.log_in()
    ended, claims = cloud.log_in()
    cloud.transact(lambda tx: revocations.revoke(tx, revocations.AUDIT, claims.audit_ids[0]))
    keys.rotate(cloud.keys, cloud.clock.wall(), 3600)  # its key signs ten seconds from here, by a clock that goes back

    cloud.clock.ahead_s = by_s
    cloud.identity.tokens.refresh()
    fresh, _ = cloud.log_in()

    check(cloud, kept)
    check(cloud, fresh)
    with pytest.raises(errors.Unauthorized):
        check(cloud, ended)
    cloud.transact(demo_user)
    cloud.identity.tokens.refresh()
    for token in (kept, fresh):
        with pytest.raises(errors.Unauthorized):
            check(cloud, token)
    check(cloud, cloud.log_in()[0])


def test_a_token_ends_when_the_clock_jumps_over_its_end_and_the_next_login_is_good(cloud):
    token, _ = cloud.log_in()

    cloud.clock.ahead_s = 86_400.0 * 365

    with pytest.raises(errors.Unauthorized):
        check(cloud, token)
    check(cloud, cloud.log_in()[0])


def test_keys_that_a_clock_far_ahead_made_sign_once_it_is_right_again(cloud):
    cloud.clock.ahead_s = 86_400.0 * 365
    keys.rotate(cloud.keys, cloud.clock.wall(), 3600)
    keys.rotate(cloud.keys, cloud.clock.wall(), 3600)
    token, _ = cloud.log_in()
    cloud.clock.ahead_s = 0.0
    keys.rotate(cloud.keys, cloud.clock.wall(), 3600)
    cloud.clock.now += keys.LEAD_S
    cloud.identity.tokens.refresh()

    check(cloud, token)
    check(cloud, cloud.log_in()[0])


def test_guesses_are_counted_by_a_clock_that_nobody_sets(cloud):
    throttle = Throttle(cloud.clock)
    for _ in range(PAIR.burst):
        throttle.attempt("bob", "192.0.2.9")

    cloud.clock.ahead_s = 86_400.0

    with pytest.raises(errors.TooManyRequests):
        throttle.attempt("bob", "192.0.2.9")
