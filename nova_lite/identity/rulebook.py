"""The rules in force: the product's own and an operator's over them, read as a whole or not at all."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from nova_lite import errors
from nova_lite.identity import policies

NEVER = "!"  # what an operator writes to forbid something to all


def gather() -> tuple[policy.RuleDefault, ...]:
    """Collect `RULES` of every module under `identity/policies/<service>/`, each name once."""
    found: dict[str, policy.RuleDefault] = {}
    for module in pkgutil.walk_packages(policies.__path__, policies.__name__ + "."):
        if not module.ispkg:
            for rule in importlib.import_module(module.name).RULES:
                found.setdefault(rule.name, rule)
    return tuple(found.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decision:
    """What a rule says, and the part of it that settles the matter."""

    allowed: bool
    rule: str
    check: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rulebook:
    """Rules that belong together. `overridden` are those of an operator's file, as they stand there."""

    enforcer: policy.Enforcer
    checks: Mapping[str, Any]
    overridden: Mapping[str, str]

    @property
    def asks_outside(self) -> bool:
        """Whether a rule asks another server (`http:`), so that no answer can be kept."""
        return any("http" in str(check) for check in self.checks.values())

    def allows(self, rule: str, target: Mapping[str, Any], credentials: Mapping[str, Any]) -> bool:
        """Evaluate a rule."""
        return bool(self.checks[rule](target, credentials, self.enforcer, rule))

    def decide(self, rule: str, target: Mapping[str, Any], credentials: Mapping[str, Any]) -> Decision:
        """Evaluate a rule and find what settles it: of alternatives the one that holds, of conditions the one that fails."""
        check, name = self.checks[rule], rule
        while True:
            holds = bool(check(target, credentials, self.enforcer, name))
            parts = getattr(check, "rules", ())
            settles = [part for part in parts if bool(part(target, credentials, self.enforcer, name)) == holds]
            if isinstance(check, policy.RuleCheck) and check.match in self.checks:
                name, check = check.match, self.checks[check.match]
            elif settles and len(settles) < len(parts):
                check = settles[0]
            else:
                return Decision(allowed=self.allows(rule, target, credentials), rule=name, check=str(check))


def load(defaults: Iterable[policy.RuleDefault], file: Path | None) -> Rulebook:
    """Put the rules together; a missing file changes nothing.

    Raises: ConfigError naming what is wrong: no YAML, a check that cannot be read, a rule that is not there, a ring of rules.
    """
    text = _read(file)
    conf = cfg.ConfigOpts()
    conf([], project="nova-lite", default_config_files=[], default_config_dirs=[])
    enforcer = policy.Enforcer(conf, use_conf=False)
    own = list(defaults)
    enforcer.register_defaults(own)
    try:
        written = policy.parse_file_contents(text) or {}
        overridden = {str(name): str(check) for name, check in written.items()}
        # The library warns of checks that it cannot read, and then forbids all that they speak of.
        checks = policy.Rules.from_dict(overridden)
    except (ValueError, AttributeError, TypeError) as error:
        raise errors.ConfigError(f"The policy file {file} is no YAML object of rules.") from error
    broken = [name for name, check in checks.items() if str(check) == NEVER != overridden[name].strip()]
    if broken:
        raise errors.ConfigError(f"The policy file {file} has checks that cannot be read: {', '.join(sorted(broken))}.")
    enforcer.set_rules({rule.name: rule.check for rule in own} | dict(checks), use_conf=False)
    try:
        enforcer.check_rules(raise_on_violation=True)
    except policy.InvalidDefinitionError as error:
        raise errors.ConfigError(f"The policy file {file} has rules that are not there, or a ring of them.") from error
    return Rulebook(enforcer=enforcer, checks=dict(enforcer.rules), overridden=overridden)


def _read(file: Path | None) -> str:
    try:
        return "" if file is None else file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise errors.ConfigError(f"The policy file {file} cannot be read.") from error
