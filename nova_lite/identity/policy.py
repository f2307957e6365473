"""Who may do what: oslo.policy, defaults in code, an operator's policy.yaml over them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.identity import policies

READS = frozenset({"GET", "HEAD"})


def gather() -> tuple[policy.RuleDefault, ...]:
    """Collect `RULES` of every module under `identity/policies/<service>/`, each name once."""
    found: dict[str, policy.RuleDefault] = {}
    for module in pkgutil.walk_packages(policies.__path__, policies.__name__ + "."):
        if not module.ispkg:
            for rule in importlib.import_module(module.name).RULES:
                found.setdefault(rule.name, rule)
    return tuple(found.values())


class Policy:
    """The rules in force. Targets say what is acted on: `{"project_id": ..., "user_id": ...}`."""

    def __init__(self, rules: Iterable[policy.RuleDefault] | None = None, policy_file: Path | None = None) -> None:
        """`rules` are all of the product's by default. `policy_file` may be missing; it is read again when it changes."""
        conf = cfg.ConfigOpts()
        conf([], project="nova-lite", default_config_files=[], default_config_dirs=[])
        self._enforcer = policy.Enforcer(conf, policy_file=str(policy_file or "/nonexistent/policy.yaml"), use_conf=True)
        defaults = gather() if rules is None else tuple(rules)
        self._enforcer.register_defaults(list(defaults))
        self._enforcer.load_rules()
        self._reads = frozenset(rule.name for rule in defaults if _only_reads(rule))

    def enforce(self, rule: str, context: Context, target: Mapping[str, Any]) -> None:
        """Do nothing when the rule lets the caller through. Raises: Forbidden."""
        if not self.allows(rule, context, target):
            raise errors.Forbidden(f"Policy doesn't allow {rule} to be performed.")

    def allows(self, rule: str, context: Context, target: Mapping[str, Any]) -> bool:
        """Tell whether a rule lets the caller through; an auditor may read whatever exists."""
        if context.is_auditor and rule in self._reads:
            return True
        return bool(self._enforcer.enforce(rule, dict(target), _credentials(context)))


def _only_reads(rule: policy.RuleDefault) -> bool:
    operations = getattr(rule, "operations", None) or ()
    methods = {method for operation in operations for method in _methods(operation["method"])}
    return bool(methods) and methods <= READS


def _methods(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _credentials(context: Context) -> dict[str, Any]:
    """Give what rules can speak of."""
    return {
        "user_id": context.user_id,
        "user_domain_id": context.user_domain_id,
        "project_id": context.project_id,
        "project_domain_id": context.project_domain_id,
        "domain_id": context.domain_id,
        "system_scope": context.system_scope,
        "system": context.system_scope,
        "roles": sorted(context.roles),
        "is_admin": context.is_admin,
    }
