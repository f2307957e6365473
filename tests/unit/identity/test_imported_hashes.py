"""Hashes that a Keystone made are checked, and replaced at the first login."""

from __future__ import annotations

import pytest

from nova_lite import errors
from nova_lite.db import identity as db
from nova_lite.identity import imported_hashes, passwords

PASSWORD = "old password"
# made by Keystone 30, each with its own default cost
HASHES = {
    "bcrypt": "$2b$12$xER7ehOIb3FU2uL/Im2WAuhnIotEtTgde4fWxv1i96OaBAi99X4Yq",
    "scrypt": "$scrypt$ln=16,r=8,p=1$aHF1DIq6uKu9xsNymFj0Og$HkP1jjVYvcSyG5Zd3liny8v9BCCDSCH0SW1IshdtDh0",
    "pbkdf2": "$pbkdf2-sha512$25000$1Q4Gb55gEnC5+/QCw/sQdA$"
    "7jMsGTZMpbDF9goLVZp8N3AtOtFrc2bx24WhUIl4dTEesbk53RjGjhwcDErt9z3adpGqXUjIC5jAQtBjU9IGJA",
}


@pytest.mark.parametrize("name", HASHES)
def test_hash_of_keystone_matches_its_password_alone(name):
    assert imported_hashes.is_known(HASHES[name])
    assert passwords.matches(PASSWORD, HASHES[name])
    assert not passwords.matches("another password", HASHES[name])
    assert passwords.needs_rehash(HASHES[name])


def test_dot_for_plus_is_read_too():
    assert passwords.matches(PASSWORD, HASHES["pbkdf2"].replace("+", "."))


def test_own_hash_needs_no_other():
    assert not passwords.needs_rehash(passwords.make_hash(PASSWORD))
    assert passwords.needs_rehash("$argon2id$v=19$m=8192,t=2,p=1$AAAA$AAAA")


def test_bcrypt_counts_the_first_72_bytes_as_keystone_does():
    long = "é" * 40
    made = imported_hashes.bcrypt.hashpw(long.encode()[:72], imported_hashes.bcrypt.gensalt(4)).decode()

    assert passwords.matches(long, made)
    assert not passwords.matches("nul\0", made)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "plain",
        "$6$rounds=5000$salt$digest",
        "$bcrypt-sha256$v=2,t=2b,r=12$rcr.vVR581MR7Hmy8V6T5.$KEzPjtUA74ZfZg2Xn3xvTb3Km.0zGOi",
        "$2b$31$xER7ehOIb3FU2uL/Im2WAuhnIotEtTgde4fWxv1i96OaBAi99X4Yq",
        "$2b$12$tooshort",
        "$scrypt$ln=30,r=8,p=1$aHF1DIq6uKu9xsNymFj0Og$HkP1jjVYvcSyG5Zd3liny8v9BCCDSCH0SW1IshdtDh0",
        "$scrypt$ln=16,r=8,p=9999$aHF1DIq6uKu9xsNymFj0Og$HkP1jjVYvcSyG5Zd3liny8v9BCCDSCH0SW1IshdtDh0",
        "$scrypt$ln=16,r=0,p=1$aHF1DIq6uKu9xsNymFj0Og$HkP1jjVYvcSyG5Zd3liny8v9BCCDSCH0SW1IshdtDh0",
        "$pbkdf2-sha512$999999999$1Q4Gb55gEnC5+/QCw/sQdA$7jMsGTZMpbDF9goLVZp8",
        "$pbkdf2-sha512$0$1Q4Gb55gEnC5+/QCw/sQdA$7jMsGTZMpbDF9goLVZp8",
        "$pbkdf2-sha512$25000$A$7jMsGTZMpbDF9goLVZp8",
    ],
)
def test_hash_that_is_foreign_damaged_or_too_dear_is_never_right(foreign):
    assert not imported_hashes.is_known(foreign)
    assert not passwords.matches(PASSWORD, foreign)


def test_first_login_replaces_the_hash_and_later_ones_leave_it(cloud):
    demo = cloud.transact(lambda tx: db.USERS.find_by(tx, name="demo"))
    cloud.transact(lambda tx: db.USERS.update(tx, demo.id, password_hash=HASHES["pbkdf2"]))

    token, _ = cloud.log_in(password=PASSWORD)
    upgraded = cloud.transact(lambda tx: db.USERS.get(tx, demo.id)).password_hash
    cloud.log_in(password=PASSWORD)

    assert not passwords.needs_rehash(upgraded)
    assert cloud.transact(lambda tx: db.USERS.get(tx, demo.id)).password_hash == upgraded
    assert cloud.identity.tokens.check(token, "req-1").user_id == demo.id


def test_wrong_password_leaves_an_imported_hash(cloud):
    demo = cloud.transact(lambda tx: db.USERS.find_by(tx, name="demo"))
    cloud.transact(lambda tx: db.USERS.update(tx, demo.id, password_hash=HASHES["pbkdf2"]))

    with pytest.raises(errors.Unauthorized):
        cloud.log_in(password="wrong")

    assert cloud.transact(lambda tx: db.USERS.get(tx, demo.id)).password_hash == HASHES["pbkdf2"]
