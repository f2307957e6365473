"""What an operator demands of passwords: a pattern, and an age after which they expire."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from nova_lite import errors
from nova_lite.conf.identity import IdentityOptions

DAY_S = 86_400.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class PasswordRules:
    """The rules. Without a pattern every password will do; with a lifetime of None none expires."""

    pattern: re.Pattern[str] | None = None
    description: str = ""
    lifetime_s: float | None = None

    def check(self, password: str) -> None:
        """Raises: BadRequest, in the operator's words, when a password does not fit the pattern."""
        if self.pattern is not None and self.pattern.match(password) is None:
            raise errors.BadRequest(f"The password does not match the requirements: {self.description or 'see your operator'}.")

    def expires_at(self, now: float, options: Mapping[str, Any]) -> float | None:
        """Give when a password set now expires; never for a user whose options say so."""
        if self.lifetime_s is None or options.get("ignore_password_expiry"):
            return None
        return now + self.lifetime_s


ANY_PASSWORD = PasswordRules()


def rules_of(options: IdentityOptions) -> PasswordRules:
    """Make the rules of the configuration. Raises: ConfigError when the pattern is no regular expression."""
    try:
        pattern = re.compile(options.password_pattern) if options.password_pattern else None
    except re.error as error:
        raise errors.ConfigError(f"[identity] password_pattern is no regular expression: {error}.") from error
    days = options.password_lifetime_days
    return PasswordRules(pattern=pattern, description=options.password_description, lifetime_s=days * DAY_S if days else None)
