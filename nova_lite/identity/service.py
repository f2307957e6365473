"""The embedded identity service, put together."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nova_lite.clock import Clock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.db.engine import Database
from nova_lite.identity import keys
from nova_lite.identity.keys import KeyRing, ensure_keys, key_file
from nova_lite.identity.login import Login, LoginRules
from nova_lite.identity.password_rules import ANY_PASSWORD, PasswordRules, rules_of
from nova_lite.identity.revocations import Revocations
from nova_lite.identity.throttle import Throttle
from nova_lite.identity.tokens import Tokens
from nova_lite.identity.vault import Vault, vault_file


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """What the Identity API needs: logins, tokens, options; records are rules over a transaction."""

    login: Login
    tokens: Tokens
    vault: Vault
    options: IdentityOptions
    password_rules: PasswordRules = ANY_PASSWORD


def ensure_all_keys(state_dir: Path, now: float) -> None:
    """Make the keys of tokens and of stored secrets where they are missing. May be repeated.

    For an installation's begin only: new keys in the place of lost ones end all tokens and leave what is sealed unreadable.
    """
    for file in (key_file(state_dir), vault_file(state_dir)):
        ensure_keys(file, now)


def make_identity(database: Database, state_dir: Path, options: IdentityOptions, clock: Clock) -> Identity:
    """Build the service. Nothing connects to the database yet.

    Raises: ConfigError when keys are missing or cannot be used.
    """
    for file in (key_file(state_dir), vault_file(state_dir)):
        keys.read(file)  # a start fails, not the first login after it
    tokens = Tokens(KeyRing(key_file(state_dir)), Revocations(database, clock), clock)
    vault = Vault(vault_file(state_dir), clock)
    rules = LoginRules(
        lifetime_s=options.token_lifetime_s,
        rescopes_scoped=options.allow_rescope_scoped_token,
        passwords=rules_of(options),
    )
    login = Login(database, tokens, Throttle(clock), clock, rules, vault)
    return Identity(login=login, tokens=tokens, vault=vault, options=options, password_rules=rules.passwords)
