"""Who may do what: oslo.policy, defaults in code, an operator's policy.yaml over them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oslo_policy import policy

from nova_lite import errors
from nova_lite.context import Context
from nova_lite.identity.rulebook import Decision, gather, load

LOG = logging.getLogger(__name__)
READS = frozenset({"GET", "HEAD"})
AUDITORS_OWN = frozenset({"identity:revoke_token"})  # logging out
RELOAD_S = 5.0
MOST_ANSWERS = 8192


class Policy:
    """The rules in force. Targets say what is acted on: `{"project_id": ..., "user_id": ...}`.

    A rule's answer depends on nothing but the caller's scope and roles and the target, so answers are kept: oslo.policy
    takes 20 microseconds for each check inside a rule. Rules that ask an outside server (`http:`) are asked each time.
    """

    def __init__(self, rules: Iterable[policy.RuleDefault] | None = None, policy_file: Path | None = None) -> None:
        """`rules` are all of the product's by default. `policy_file` may be missing; it is read again when it changes.

        Raises: ConfigError when the file is no policy file.
        """
        self.defaults = gather() if rules is None else tuple(rules)
        self._file = policy_file
        self._reads = frozenset(rule.name for rule in self.defaults if _methods_of(rule) and _methods_of(rule) <= READS)
        self._writes = frozenset(rule.name for rule in self.defaults if _methods_of(rule) and not _methods_of(rule) & READS)
        self._lock = threading.Lock()
        self._load()

    def _load(self) -> None:
        self._stamp = _stamp(self._file)
        self._book = load(self.defaults, self._file)
        self._answers: dict[Any, bool] | None = None if self._book.asks_outside else {}
        self._looked_at = time.monotonic()
        unknown = sorted(set(self._book.overridden) - {rule.name for rule in self.defaults})
        if unknown:
            LOG.warning("Nothing asks for these rules of %s: %s", self._file, ", ".join(unknown), extra={"action": "policy"})

    @property
    def overridden(self) -> Mapping[str, str]:
        """Give the rules of the operator's file that are in force."""
        return self._book.overridden

    def _answer(self, rule: str, context: Context, target: Mapping[str, Any]) -> bool:
        """Evaluate a rule, or remember what it said."""
        book, answers = self._book, self._answers  # a reload makes new ones
        who = (
            context.user_id,
            context.project_id,
            context.domain_id,
            context.system_scope,
            context.roles,
            context.service_roles,
        )
        domains = (context.user_domain_id, context.project_domain_id)
        key: Any = (rule, who, domains, tuple(target.items()))
        if answers is None:
            return book.allows(rule, target, _credentials(context))
        try:
            known = answers.get(key)
        except TypeError:  # a target with a list in it
            return book.allows(rule, target, _credentials(context))
        if known is None:
            known = book.allows(rule, target, _credentials(context))
            if len(answers) >= MOST_ANSWERS:
                answers.clear()
            answers[key] = known
        return known

    def _fresh(self) -> None:
        """Look at the file every few seconds, in one thread; one that cannot be used changes nothing."""
        if time.monotonic() - self._looked_at <= RELOAD_S or not self._lock.acquire(blocking=False):
            return
        try:
            self._looked_at = time.monotonic()
            if _stamp(self._file) != self._stamp:
                self._load()
                LOG.info("The policy file was read again.", extra={"action": "policy"})
        except errors.ConfigError as error:
            LOG.error("%s The rules stay as they were.", error.message, extra={"action": "policy"})
        finally:
            self._lock.release()

    def enforce(self, rule: str, context: Context, target: Mapping[str, Any]) -> None:
        """Do nothing when the rule lets the caller through. Raises: Forbidden."""
        if not self.allows(rule, context, target):
            raise errors.Forbidden(f"Policy doesn't allow {rule} to be performed.")

    def allows(self, rule: str, context: Context, target: Mapping[str, Any]) -> bool:
        """Tell whether a rule lets the caller through; an auditor may read whatever exists, and change nothing."""
        self._fresh()
        if rule not in self._book.checks:
            raise ValueError(f"no rule is named {rule}")  # ours to mend: every route's rule has a default
        of_auditor = self._of_auditor(rule, context)
        return self._answer(rule, context, target) if of_auditor is None else of_auditor

    def _of_auditor(self, rule: str, context: Context) -> bool | None:
        """Decide what being an auditor alone decides; None for everybody else, and where the rule is to be asked."""
        if not context.is_auditor:
            return None
        if rule in self._reads:
            return True
        if context.is_admin or rule not in self._writes or rule in AUDITORS_OWN:
            return None
        return False

    def allows_named(self, rule: str, context: Context) -> bool:
        """Tell whether a rule that an operator named lets the caller through; one that is not there lets nobody."""
        return rule in self._book.checks and self.allows(rule, context, {"project_id": context.project_id})

    def is_for_admins(self, rule: str) -> bool:
        """Tell whether a rule lets an admin through and nobody else, not even with what is its own."""
        book = self._book
        if rule not in book.checks:
            return False
        own = {"project_id": "p", "user_id": "u", "target.user.id": "u", "target.project.id": "p"}
        someone = Context(
            request_id="", user_id="u", project_id="p", roles=frozenset({"reader", "member", "manager", "service"})
        )
        admin = Context(request_id="", user_id="a", project_id="a", roles=frozenset({"admin"}))
        return not self._answer(rule, someone, own) and self._answer(rule, admin, own)

    def decide(self, rule: str, context: Context, target: Mapping[str, Any]) -> Decision:
        """Tell what `allows` says, and why. Raises: NotFound for a rule that does not exist."""
        self._fresh()
        if rule not in self._book.checks:
            raise errors.NotFound(f"There is no rule named {rule}.")
        of_auditor = self._of_auditor(rule, context)
        if of_auditor is not None:
            return Decision(allowed=of_auditor, rule=rule, check="auditor: reads everything, changes nothing")
        return self._book.decide(rule, target, _credentials(context))


def _stamp(file: Path | None) -> tuple[int, int, int] | None:
    """Tell one content of the file from another; None when there is none."""
    try:
        status = file.stat() if file is not None else None
    except OSError:
        return None
    return None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)


def _methods_of(rule: policy.RuleDefault) -> set[str]:
    operations = getattr(rule, "operations", None) or ()
    return {method for operation in operations for method in _methods(operation["method"])}


def _methods(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _credentials(context: Context) -> dict[str, Any]:
    """Give what rules can speak of.

    oslo.policy compares texts, None too: without a project in its token a caller would own whatever is of no project, or of
    one that a path calls `None`. So what is not there is left out, but for what rules ask whether it is (`domain_id:None`).
    """
    of_somebody = {
        "user_id": context.user_id,
        "user_domain_id": context.user_domain_id,
        "project_id": context.project_id,
        "project_domain_id": context.project_domain_id,
    }
    return {name: value for name, value in of_somebody.items() if value is not None} | {
        "domain_id": context.domain_id,
        "system_scope": context.system_scope,
        "system": context.system_scope,
        "roles": list(context.roles),
        "service_roles": list(context.service_roles),
        "is_admin": context.is_admin,
    }
