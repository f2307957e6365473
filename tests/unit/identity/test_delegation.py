"""Logging in by more than a password: TOTP, receipts, trusts, OAuth, key pairs; and the vault below them."""

from __future__ import annotations

import dataclasses
import json
import logging
import urllib.parse

import pytest

from nova_lite import errors
from nova_lite.db import delegation as db
from nova_lite.db import identity
from nova_lite.identity import keys, oauth, projects, roles, stored_credentials, totp, trusts, users
from nova_lite.identity.factors import MoreFactorsNeeded
from nova_lite.identity.login import Attempt
from nova_lite.identity.projects import new_id
from nova_lite.identity.throttle import PASSCODES, Throttle
from nova_lite.identity.vault import Vault, vault_file
from nova_lite.model.delegation import Consumer, StoredCredential, Trust
from nova_lite.model.identity import Assignment, Project, Target, User

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # the seed of RFC 6238 in base32
ADDRESS = "192.0.2.1"
BY_PASSWORD = {"name": "demo", "domain": {"id": "default"}, "password": "demo-pw"}


def user(cloud, name):
    with cloud.database.read() as tx:
        return identity.USERS.find_by(tx, name=name)


def project(cloud, name):
    with cloud.database.read() as tx:
        return identity.PROJECTS.find_by(tx, name=name)


def role_id(cloud, name):
    with cloud.database.read() as tx:
        return identity.ROLES.find_by(tx, name=name).id


def keep(cloud, **fields):
    credential = StoredCredential(id="", **fields)
    return cloud.transact(lambda tx: stored_credentials.create(tx, cloud.identity.vault, credential))


@pytest.fixture
def seeded(cloud):
    """A user that has a seed of TOTP."""
    keep(cloud, user_id=user(cloud, "demo").id, type="totp", blob=SEED)
    return cloud


def passcode_now(cloud):
    return totp.passcode(totp.read_secret(SEED), int(cloud.clock.wall() // totp.PERIOD_S))


def log_in(cloud, methods, receipt=None, passcode=None, scope=None, password="demo-pw"):
    who = {"name": "demo", "domain": {"id": "default"}, "passcode": passcode}
    body = {"methods": methods, "password": {"user": BY_PASSWORD | {"password": password}}, "totp": {"user": who}}
    auth = {"identity": body, "scope": scope or {"project": {"name": "demo", "domain": {"id": "default"}}}}
    return cloud.identity.login.authenticate(auth, ADDRESS, Attempt(address=ADDRESS, receipt=receipt))


def ask_for_both(cloud):
    options = {"multi_factor_auth_rules": [["password", "totp"], ["magic"]]}
    cloud.transact(lambda tx: users.update(tx, user(cloud, "demo"), {"options": options}))


def test_a_passcode_is_taken_once(seeded):
    code = passcode_now(seeded)

    _, claims = log_in(seeded, ["totp"], passcode=code)

    assert claims.methods == ("totp",)
    with pytest.raises(errors.Unauthorized):
        log_in(seeded, ["totp"], passcode=code)


def test_the_passcode_before_is_taken_and_the_one_before_that_is_not(seeded):
    code = passcode_now(seeded)
    seeded.clock.sleep(2 * totp.PERIOD_S)
    with pytest.raises(errors.Unauthorized):
        log_in(seeded, ["totp"], passcode=code)

    code = passcode_now(seeded)
    seeded.clock.sleep(totp.PERIOD_S)

    assert log_in(seeded, ["totp"], passcode=code)


def test_who_knows_the_password_may_guess_few_passcodes(seeded):
    ask_for_both(seeded)
    for _ in range(PASSCODES.known_pair.burst):
        with pytest.raises(errors.Unauthorized):
            log_in(seeded, ["password", "totp"], passcode="x")

    with pytest.raises(errors.TooManyRequests):
        log_in(seeded, ["password", "totp"], passcode="x")

    seeded.clock.now += PASSCODES.known_pair.seconds_each
    log_in(seeded, ["password", "totp"], passcode=passcode_now(seeded))


def test_passcodes_are_guessed_slowly_from_many_addresses(seeded):
    throttle = Throttle(seeded.clock)
    for number in range(PASSCODES.user.burst):
        throttle.attempt("totp demo", f"198.51.100.{number}", PASSCODES)

    with pytest.raises(errors.TooManyRequests):
        throttle.attempt("totp demo", "203.0.113.1", PASSCODES)


def test_a_seed_that_is_no_base32_lets_nobody_in(cloud):
    keep(cloud, user_id=user(cloud, "demo").id, type="totp", blob="1!")

    with pytest.raises(errors.Unauthorized):
        log_in(cloud, ["totp"], passcode="000000")


def test_two_methods_at_once_meet_the_rule(seeded):
    ask_for_both(seeded)

    _, claims = log_in(seeded, ["password", "totp"], passcode=passcode_now(seeded))

    assert set(claims.methods) == {"password", "totp"}


def test_one_method_gives_a_receipt_and_the_other_a_token(seeded):
    ask_for_both(seeded)
    with pytest.raises(MoreFactorsNeeded) as caught:
        log_in(seeded, ["password"])
    assert caught.value.details["required"] == [["password", "totp"]]

    _, claims = log_in(seeded, ["totp"], receipt=caught.value.details["receipt_id"], passcode=passcode_now(seeded))

    assert set(claims.methods) == {"password", "totp"}


def test_a_receipt_of_another_user_or_that_is_forged_or_over_is_refused(seeded):
    ask_for_both(seeded)
    receipts = seeded.identity.login._receipts
    others, _ = receipts.issue(user(seeded, "admin"), ("password",))
    forged = receipts.issue(user(seeded, "demo"), ("password",))[0][:-1] + "x"
    old, _ = receipts.issue(user(seeded, "demo"), ("password",))
    for receipt in (others, forged, "no receipt", seeded.log_in("admin", "admin-pw")[0]):
        with pytest.raises(errors.Unauthorized):
            log_in(seeded, ["totp"], receipt=receipt, passcode=passcode_now(seeded))
        seeded.clock.sleep(totp.PERIOD_S)

    seeded.clock.sleep(300)

    with pytest.raises(errors.Unauthorized):
        log_in(seeded, ["totp"], receipt=old, passcode=passcode_now(seeded))


def test_a_receipt_ends_with_the_password_that_it_stands_for(seeded):
    ask_for_both(seeded)
    with pytest.raises(MoreFactorsNeeded) as needed:
        log_in(seeded, ["password"])
    seeded.clock.now += 1
    users.change_password(seeded.database, user(seeded, "demo").id, "demo-pw", "another")

    with pytest.raises(errors.Unauthorized):
        log_in(seeded, ["totp"], passcode=passcode_now(seeded), receipt=needed.value.details["receipt_id"])


def test_a_receipt_is_good_after_the_clock_went_back_to_before_the_present_password(seeded):
    ask_for_both(seeded)
    users.change_password(seeded.database, user(seeded, "demo").id, "demo-pw", "another")
    seeded.clock.ahead_s = -3600
    with pytest.raises(MoreFactorsNeeded) as needed:
        log_in(seeded, ["password"], password="another")

    _, claims = log_in(seeded, ["totp"], passcode=passcode_now(seeded), receipt=needed.value.details["receipt_id"])

    assert set(claims.methods) == {"password", "totp"}


def test_a_receipt_is_no_token(seeded):
    text, _ = seeded.identity.login._receipts.issue(user(seeded, "demo"), ("password",))

    with pytest.raises(errors.Unauthorized):
        seeded.identity.tokens.read(text)


def test_rules_of_methods_that_do_not_exist_lock_nobody_out(cloud):
    options = {"multi_factor_auth_rules": [["magic"], "nonsense"]}
    cloud.transact(lambda tx: users.update(tx, user(cloud, "demo"), {"options": options}))

    assert log_in(cloud, ["password"])


def test_rules_that_are_switched_off_ask_for_nothing(cloud):
    options = {"multi_factor_auth_enabled": False, "multi_factor_auth_rules": [["password", "totp"]]}
    cloud.transact(lambda tx: users.update(tx, user(cloud, "demo"), {"options": options}))

    assert log_in(cloud, ["password"])


def test_a_blob_is_neither_in_the_database_nor_in_a_log(cloud, caplog):
    caplog.set_level(logging.DEBUG)
    made = keep(cloud, user_id=user(cloud, "demo").id, type="cert", blob="the very secret")

    with cloud.database.read() as tx:
        found = db.CREDENTIALS.get(tx, made.id)

    assert "secret" not in found.blob
    assert "secret" not in repr(made)
    assert "very secret" not in caplog.text
    assert cloud.identity.vault.open(found.blob, made.id) == "the very secret"


def test_a_sealed_blob_does_not_open_in_another_row(cloud):
    sealed = cloud.identity.vault.seal("secret", "one")

    for wrong in (sealed, "s1.none.AAAA", sealed[:-8] + "AAAAAAA=", "garbage"):
        with pytest.raises(errors.Unavailable):
            cloud.identity.vault.open(wrong, "another")


def test_another_process_seals_with_the_newest_key_after_a_rotation(cloud):
    other = Vault(vault_file(cloud.folder), cloud.clock)
    other.seal("before", "one")
    for _ in range(2):
        cloud.clock.sleep(1)
        cloud.identity.vault.rotate(cloud.database)

    sealed = other.seal("after", "two")

    assert Vault(vault_file(cloud.folder), cloud.clock).open(sealed, "two") == "after"


def test_rotation_seals_anew_and_drops_keys_that_are_not_needed(cloud):
    made = keep(cloud, user_id=user(cloud, "demo").id, type="cert", blob="secret")
    first = keys.read(vault_file(cloud.folder))[0].id

    assert cloud.identity.vault.rotate(cloud.database) == 1
    cloud.clock.sleep(1)
    assert cloud.identity.vault.rotate(cloud.database) == 1

    kept = [key.id for key in keys.read(vault_file(cloud.folder))]
    assert len(kept) == 2 and first not in kept
    with cloud.database.read() as tx:
        sealed = db.CREDENTIALS.get(tx, made.id).blob
    assert kept[0] in sealed
    assert cloud.identity.vault.open(sealed, made.id) == "secret"


def trust_order(cloud, trustor="admin", trustee="demo", impersonation=True, **more):
    return Trust(
        id=new_id(),
        trustor_user_id=user(cloud, trustor).id,
        trustee_user_id=user(cloud, trustee).id,
        project_id=project(cloud, "admin").id,
        impersonation=impersonation,
        roles=[role_id(cloud, "member")],
        **more,
    )


def give(cloud, order, redelegate=False, count=None, parent=None):
    return cloud.transact(lambda tx: trusts.create(tx, order, redelegate=redelegate, asked_count=count, parent_id=parent))


def by_trust(cloud, trust):
    return log_in(cloud, ["password"], scope={"OS-TRUST:trust": {"id": trust.id}})


@pytest.mark.parametrize(("impersonation", "name"), [(True, "admin"), (False, "demo")])
def test_a_trust_gives_its_roles_and_no_more(cloud, impersonation, name):
    _, claims = by_trust(cloud, give(cloud, trust_order(cloud, impersonation=impersonation)))

    assert claims.user_name == name
    assert claims.roles == ("member", "reader")
    assert claims.is_delegated


@pytest.mark.parametrize("impersonation", [True, False])
def test_tokens_of_a_trust_end_with_the_trustors_role(cloud, impersonation):
    token, claims = by_trust(cloud, give(cloud, trust_order(cloud, impersonation=impersonation)))
    held = Assignment(
        actor_kind="user",
        actor_id=user(cloud, "admin").id,
        target_kind=Target.PROJECT,
        target_id=claims.scope_id,
        role_id=role_id(cloud, "admin"),
    )

    cloud.transact(lambda tx: roles.withdraw(tx, held))
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        cloud.identity.tokens.read(token)


def test_a_trust_whose_trustor_lost_the_role_is_refused(cloud):
    trust = give(cloud, trust_order(cloud))
    target = {"target_kind": Target.PROJECT, "target_id": trust.project_id}
    cloud.transact(lambda tx: identity.ASSIGNMENTS.delete_by(tx, actor_id=trust.trustor_user_id, **target))

    with pytest.raises(errors.Forbidden):
        by_trust(cloud, trust)


def test_a_trust_is_over_when_it_says(cloud):
    trust = give(cloud, trust_order(cloud, expires_at=cloud.clock.wall() + 60))
    _, claims = by_trust(cloud, trust)
    assert claims.expires_at == trust.expires_at

    cloud.clock.sleep(60)

    with pytest.raises(errors.Unauthorized):
        by_trust(cloud, trust)


def test_the_uses_of_a_trust_are_counted(cloud):
    trust = give(cloud, trust_order(cloud, remaining_uses=2))
    by_trust(cloud, trust)
    by_trust(cloud, trust)

    with pytest.raises(errors.Unauthorized):
        by_trust(cloud, trust)


def test_a_redelegated_trust_is_no_wider_and_ends_with_the_one_above(cloud):
    first = give(cloud, trust_order(cloud, expires_at=cloud.clock.wall() + 600), redelegate=True)
    assert first.redelegation_count == trusts.MOST_REDELEGATIONS

    second = give(cloud, trust_order(cloud), redelegate=True, parent=first.id)

    assert (second.redelegation_count, second.expires_at) == (2, first.expires_at)
    assert by_trust(cloud, second)[1].roles == ("member", "reader")
    wider = trust_order(cloud, expires_at=cloud.clock.wall() + 9999)
    with pytest.raises(errors.Forbidden):
        give(cloud, wider, parent=first.id)
    cloud.transact(lambda tx: trusts.delete(tx, first.id))
    with pytest.raises(errors.Unauthorized):
        by_trust(cloud, second)


def test_a_trust_that_must_not_be_redelegated_is_not(cloud):
    first = give(cloud, trust_order(cloud))

    with pytest.raises(errors.Forbidden):
        give(cloud, trust_order(cloud), parent=first.id)


def test_a_user_that_goes_takes_its_trusts_and_credentials_along(cloud):
    give(cloud, trust_order(cloud))
    keep(cloud, user_id=user(cloud, "demo").id, type="cert", blob="x")

    cloud.transact(lambda tx: users.delete(tx, user(cloud, "demo").id))

    with cloud.database.read() as tx:
        assert db.TRUSTS.list_by(tx) == []
        assert db.CREDENTIALS.list_by(tx) == []


class Program:
    """A consumer of OAuth that signs its requests."""

    def __init__(self, cloud):
        order = Consumer(id="", secret="")
        self.cloud = cloud
        made = cloud.transact(lambda tx: oauth.create_consumer(tx, cloud.identity.vault, order))
        self.id, self.secret = made[0].id, made[1]
        self.count = 0

    def signed(self, path, token="", secret="", **more):
        self.count += 1
        given = {
            "oauth_consumer_key": self.id,
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(self.cloud.clock.wall())),
            "oauth_nonce": str(self.count),
            **({"oauth_token": token} if token else {}),
            **more,
        }
        request = oauth.SignedRequest(method="POST", url=f"http://cloud.test/identity/v3{path}", query=(), oauth=given)
        given["oauth_signature"] = oauth.make_signature(request, self.secret, secret)
        return request

    def transact(self, work, *given):
        return self.cloud.transact(lambda tx: work(tx, self.cloud.identity.vault, *given))

    def ask(self):
        return self.transact(oauth.ask, self.signed("/OS-OAUTH1/request_token"), project(self.cloud, "demo").id)

    def get_access(self, names=("member",)):
        asked, secret = self.ask()
        demo = user(self.cloud, "demo").id
        verifier = self.cloud.transact(lambda tx: oauth.authorize(tx, asked.id, demo, names))
        signed = self.signed("/OS-OAUTH1/access_token", asked.id, secret, oauth_verifier=verifier)
        return self.transact(oauth.exchange, signed)

    def log_in(self, signed):
        auth = {"identity": {"methods": ["oauth1"], "oauth1": {}}}
        return self.cloud.identity.login.authenticate(auth, ADDRESS, Attempt(address=ADDRESS, signed=signed))


@pytest.fixture
def program(cloud):
    return Program(cloud)


def test_a_program_logs_in_for_a_user_with_the_roles_it_was_given(cloud, program):
    access, secret = program.get_access(("reader",))

    token, claims = program.log_in(program.signed("/auth/tokens", access.id, secret))

    assert (claims.user_name, claims.roles, claims.scope_name) == ("demo", ("reader",), "demo")
    cloud.transact(lambda tx: oauth.delete_consumer(tx, program.id))
    cloud.identity.tokens.refresh()
    with pytest.raises(errors.Unauthorized):
        cloud.identity.tokens.read(token)


def test_a_signed_request_is_taken_once(program):
    access, secret = program.get_access()
    signed = program.signed("/auth/tokens", access.id, secret)
    program.log_in(signed)

    with pytest.raises(errors.Unauthorized):
        program.log_in(signed)


@pytest.mark.parametrize("secret", ["", "guessed"])
def test_a_request_that_is_signed_otherwise_is_refused(program, secret):
    access, _ = program.get_access()

    with pytest.raises(errors.Unauthorized):
        program.log_in(program.signed("/auth/tokens", access.id, secret))


@pytest.mark.parametrize(
    "change", [{"oauth_timestamp": "1"}, {"oauth_timestamp": "now"}, {"oauth_signature_method": "PLAINTEXT"}]
)
def test_a_request_of_another_time_or_method_is_refused(program, change):
    signed = program.signed("/OS-OAUTH1/request_token", **change)

    with pytest.raises(errors.Unauthorized):
        program.transact(oauth.ask, signed, project(program.cloud, "demo").id)


def test_what_nobody_authorized_is_not_exchanged(program):
    asked, secret = program.ask()
    signed = program.signed("/OS-OAUTH1/access_token", asked.id, secret, oauth_verifier="guess")

    with pytest.raises(errors.Unauthorized):
        program.transact(oauth.exchange, signed)


def test_a_user_authorizes_no_roles_that_it_has_not(program):
    with pytest.raises(errors.Unauthorized):
        program.get_access(("admin",))


def test_a_header_is_read_as_it_was_written():
    text = 'OAuth realm="", oauth_token="' + urllib.parse.quote("a=b,c", safe="") + '"'

    assert oauth.read_header(text) == {"realm": "", "oauth_token": "a=b,c"}
    assert oauth.read_header("Basic abc") == {}


def test_a_key_pair_of_a_delegation_logs_nobody_in(cloud):
    demo = user(cloud, "demo")
    blob = json.dumps({"access": "k", "secret": "s", "trust_id": "t"})
    keep(cloud, user_id=demo.id, project_id=project(cloud, "demo").id, type="ec2", blob=blob)

    with cloud.database.read() as tx, pytest.raises(errors.Unauthorized):
        stored_credentials.get_key_pair(tx, cloud.identity.vault, "k")


def key_pair(cloud, place):
    demo, place_id, vault = user(cloud, "demo").id, project(cloud, place).id, cloud.identity.vault
    return cloud.transact(lambda tx: stored_credentials.create_key_pair(tx, vault, demo, place_id))


def test_a_key_pair_that_has_just_gone_gives_no_token(cloud):
    pair = key_pair(cloud, "demo")
    cloud.transact(lambda tx: stored_credentials.delete(tx, pair.id))

    with pytest.raises(errors.Unauthorized):
        cloud.identity.login.authenticate_signed(pair)


def test_a_key_pair_gives_a_token_that_makes_no_others(cloud):
    token, claims = cloud.identity.login.authenticate_signed(key_pair(cloud, "demo"))
    assert claims.methods == ("ec2credential",)

    with pytest.raises(errors.Forbidden):
        cloud.identity.login.authenticate({"identity": {"methods": ["token"], "token": {"id": token}}}, ADDRESS)
    with pytest.raises(errors.Unauthorized):
        cloud.identity.login.authenticate({"identity": {"methods": ["ec2credential"], "ec2credential": {}}}, ADDRESS)
    with pytest.raises(errors.Unauthorized):
        cloud.identity.login.authenticate_signed(key_pair(cloud, "admin"))


def redelegated(cloud):
    """Log demo in by a trust of admin's friend, which is made of a trust of admin; without impersonation."""
    friend = cloud.transact(lambda tx: users.create(tx, User(id=new_id(), name="friend", domain_id="default", created_at=0.0)))
    first = give(cloud, trust_order(cloud, trustee="friend", impersonation=False), redelegate=True)
    second = give(cloud, trust_order(cloud, trustor="friend", impersonation=False), parent=first.id)
    assert second.trustor_user_id == friend.id
    return by_trust(cloud, second)[0]


def test_tokens_of_a_redelegated_trust_end_with_the_role_of_the_first_trustor(cloud):
    token = redelegated(cloud)
    held = Assignment(
        actor_kind="user",
        actor_id=user(cloud, "admin").id,
        target_kind=Target.PROJECT,
        target_id=project(cloud, "admin").id,
        role_id=role_id(cloud, "admin"),
    )

    cloud.transact(lambda tx: roles.withdraw(tx, held))
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        cloud.identity.tokens.read(token)


def test_tokens_of_a_redelegated_trust_end_when_the_first_trustor_is_disabled(cloud):
    token = redelegated(cloud)

    admin = user(cloud, "admin")
    boss = User(id=new_id(), name="boss", domain_id="default", created_at=0.0)
    held = Assignment(
        actor_kind="user", actor_id=boss.id, target_kind=Target.SYSTEM, target_id="system", role_id=role_id(cloud, "admin")
    )

    def disable(tx):
        users.create(tx, boss)
        roles.grant(tx, held)  # else admin is the last
        users.update(tx, admin, {"enabled": False})

    cloud.transact(disable)
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        cloud.identity.tokens.read(token)


def test_tokens_of_a_trust_end_when_the_domain_of_its_trustee_is_disabled(cloud):
    away = Project(id=new_id(), name="away", domain_id="", is_domain=True, created_at=0.0)
    guest = User(id=new_id(), name="guest", domain_id=away.id, created_at=0.0, password_hash=user(cloud, "demo").password_hash)
    cloud.transact(lambda tx: (projects.create(tx, away), users.create(tx, guest)))
    trust = give(cloud, dataclasses.replace(trust_order(cloud), trustee_user_id=guest.id))
    body = {"methods": ["password"], "password": {"user": {"id": guest.id, "password": "demo-pw"}}}
    token, _ = cloud.identity.login.authenticate({"identity": body, "scope": {"OS-TRUST:trust": {"id": trust.id}}}, ADDRESS)

    cloud.transact(lambda tx: projects.update(tx, away, {"enabled": False}))
    cloud.identity.tokens.refresh()

    with pytest.raises(errors.Unauthorized):
        cloud.identity.tokens.read(token)


def test_a_default_project_in_a_disabled_domain_gives_no_scope(cloud):
    away = Project(id=new_id(), name="away", domain_id="", is_domain=True, created_at=0.0)
    inside = Project(id=new_id(), name="inside", domain_id=away.id, parent_id=away.id, created_at=0.0)
    demo = user(cloud, "demo")
    held = Assignment(
        actor_kind="user", actor_id=demo.id, target_kind=Target.PROJECT, target_id=inside.id, role_id=role_id(cloud, "member")
    )

    def work(tx):
        projects.create(tx, away)
        projects.create(tx, inside)
        users.update(tx, demo, {"default_project_id": inside.id})
        roles.grant(tx, held)

    cloud.transact(work)
    auth = {"identity": {"methods": ["password"], "password": {"user": BY_PASSWORD}}}
    assert cloud.identity.login.authenticate(auth, ADDRESS)[1].scope_id == inside.id
    cloud.transact(lambda tx: projects.update(tx, away, {"enabled": False}))

    assert cloud.identity.login.authenticate(auth, ADDRESS)[1].scope_id is None
