"""The embedded identity service, put together."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from nova_lite.clock import Clock
from nova_lite.conf.identity import IdentityOptions
from nova_lite.db.engine import Database
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


def make_identity(database: Database, state_dir: Path, options: IdentityOptions, clock: Clock) -> Identity:
    """Build the service; keys are made when missing. Nothing connects to the database yet.

    Raises: ConfigError when the keys are there and cannot be used.
    """
    path = key_file(state_dir)
    ensure_keys(path, clock.wall())
    ring = KeyRing(path)
    ring.refresh()  # a start fails, not the first login after it
    tokens = Tokens(ring, Revocations(database, clock), clock)
    ensure_keys(vault_file(state_dir), clock.wall())
    vault = Vault(vault_file(state_dir), clock)
    rules = LoginRules(
        lifetime_s=options.token_lifetime_s,
        rescopes_scoped=options.allow_rescope_scoped_token,
        passwords=rules_of(options),
    )
    login = Login(database, tokens, Throttle(clock), clock, rules, vault)
    return Identity(login=login, tokens=tokens, vault=vault, options=options, password_rules=rules.passwords)
