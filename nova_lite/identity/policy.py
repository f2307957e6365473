"""Who may do what: oslo.policy, defaults in code, an operator's policy.yaml over them."""

from __future__ import annotations

import importlib
import logging
import pkgutil
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.identity import policies

LOG = logging.getLogger(__name__)
READS = frozenset({"GET", "HEAD"})
AUDITORS_OWN = frozenset({"identity:revoke_token"})  # logging out
RELOAD_S = 5.0
MOST_ANSWERS = 8192


def gather() -> tuple[policy.RuleDefault, ...]:
    """Collect `RULES` of every module under `identity/policies/<service>/`, each name once."""
    found: dict[str, policy.RuleDefault] = {}
    for module in pkgutil.walk_packages(policies.__path__, policies.__name__ + "."):
        if not module.ispkg:
            for rule in importlib.import_module(module.name).RULES:
                found.setdefault(rule.name, rule)
    return tuple(found.values())


class Policy:
    """The rules in force. Targets say what is acted on: `{"project_id": ..., "user_id": ...}`.

    A rule's answer depends on nothing but the caller's scope and roles and the target, so answers are kept: oslo.policy
    takes 20 microseconds for each check inside a rule. Rules that ask an outside server (`http:`) are asked each time.
    """

    def __init__(self, rules: Iterable[policy.RuleDefault] | None = None, policy_file: Path | None = None) -> None:
        """`rules` are all of the product's by default. `policy_file` may be missing; it is read again when it changes.

        Raises: ConfigError when the file is no policy file.
        """
        conf = cfg.ConfigOpts()
        conf([], project="nova-lite", default_config_files=[], default_config_dirs=[])
        self._enforcer = policy.Enforcer(conf, policy_file=str(policy_file or "/nonexistent/policy.yaml"))
        defaults = gather() if rules is None else tuple(rules)
        self._enforcer.register_defaults(list(defaults))
        self._reads = frozenset(rule.name for rule in defaults if _methods_of(rule) and _methods_of(rule) <= READS)
        self._writes = frozenset(rule.name for rule in defaults if _methods_of(rule) and not _methods_of(rule) & READS)
        self._lock = threading.Lock()
        self._load()

    def _load(self) -> None:
        try:
            self._enforcer.load_rules()
        except (ValueError, OSError, policy.InvalidDefinitionError) as error:
            raise errors.ConfigError("The policy file cannot be read.") from error
        self._rules = dict(self._enforcer.rules)
        self._asks_outside = any("http" in str(check) for check in self._rules.values())
        self._answers: dict[Any, bool] = {}
        self._loaded_at = time.monotonic()

    def _answer(self, rule: str, context: Context, target: Mapping[str, Any]) -> bool:
        """Evaluate a rule, or remember what it said."""
        answers = self._answers  # a reload makes a new one
        who = (context.user_id, context.project_id, context.domain_id, context.system_scope, context.roles)
        domains = (context.user_domain_id, context.project_domain_id)
        key: Any = (rule, who, domains, tuple(target.items()))
        try:
            known = answers.get(key)
        except TypeError:  # a target with a list in it
            known, key = None, None
        if known is None:
            known = bool(self._rules[rule](target, _credentials(context), self._enforcer, rule))
            if key is not None and not self._asks_outside:
                if len(answers) >= MOST_ANSWERS:
                    answers.clear()
                answers[key] = known
        return known

    def _fresh(self) -> None:
        """Look at the file every few seconds, in one thread."""
        if time.monotonic() - self._loaded_at > RELOAD_S and self._lock.acquire(blocking=False):
            try:
                self._load()
            except errors.ConfigError as error:
                LOG.error("%s The rules stay as they were.", error.message, extra={"action": "policy"})
            finally:
                self._loaded_at = time.monotonic()
                self._lock.release()

    def enforce(self, rule: str, context: Context, target: Mapping[str, Any]) -> None:
        """Do nothing when the rule lets the caller through. Raises: Forbidden."""
        if not self.allows(rule, context, target):
            raise errors.Forbidden(f"Policy doesn't allow {rule} to be performed.")

    def allows(self, rule: str, context: Context, target: Mapping[str, Any]) -> bool:
        """Tell whether a rule lets the caller through; an auditor may read whatever exists, and change nothing."""
        self._fresh()
        if rule not in self._rules:
            raise ValueError(f"no rule is named {rule}")  # ours to mend: every route's rule has a default
        if context.is_auditor and rule in self._reads:
            return True
        if context.is_auditor and not context.is_admin and rule in self._writes and rule not in AUDITORS_OWN:
            return False
        return self._answer(rule, context, target)


def _methods_of(rule: policy.RuleDefault) -> set[str]:
    operations = getattr(rule, "operations", None) or ()
    return {method for operation in operations for method in _methods(operation["method"])}


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
        "roles": list(context.roles),
        "is_admin": context.is_admin,
    }
