"""Logging in: from what somebody shows (a password, a token, an application credential) to a token in a scope."""

from __future__ import annotations

import dataclasses
from typing import Any

from nova_lite import errors
from nova_lite.clock import Clock
from nova_lite.db import delegation
from nova_lite.db import identity as db
from nova_lite.db.engine import Database, Tx
from nova_lite.identity import credentials, factors, oauth, passwords, roles, totp, trusts, users
from nova_lite.identity.factors import MoreFactorsNeeded, Receipts
from nova_lite.identity.oauth import SignedRequest
from nova_lite.identity.password_rules import ANY_PASSWORD, PasswordRules
from nova_lite.identity.stored_credentials import KeyPair
from nova_lite.identity.throttle import PASSCODES, Throttle
from nova_lite.identity.tokens import METHODS, Claims, Tokens, chain_of
from nova_lite.identity.vault import Vault
from nova_lite.model.delegation import AccessToken, Trust
from nova_lite.model.identity import SYSTEM, ApplicationCredential, Project, Role, Target, User

UNSCOPED = "unscoped"
TRUST_SCOPE = "OS-TRUST:trust"
NOT_LOGGED_IN_BY = "ec2credential"  # marks tokens; nobody shows it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proof:
    """Who somebody has shown to be, and by what."""

    user: User
    methods: tuple[str, ...]
    earlier: Claims | None = None
    credential: ApplicationCredential | None = None
    access: tuple[AccessToken, Project] | None = None
    key_pair_id: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a token is good; nothing at all for an unscoped one."""

    kind: Target | None = None
    target: Project | None = None
    trust: Trust | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """What comes with a login beside its body: from where, a receipt of factors shown before, an OAuth signature."""

    address: str
    receipt: str | None = dataclasses.field(default=None, repr=False)
    signed: SignedRequest | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoginRules:
    """How long a token lives, whether one with a scope may be exchanged for another's, what new passwords must be like."""

    lifetime_s: float
    rescopes_scoped: bool = True
    passwords: PasswordRules = ANY_PASSWORD


class Login:
    """Makes tokens of proofs."""

    def __init__(
        self, database: Database, tokens: Tokens, throttle: Throttle, clock: Clock, rules: LoginRules, vault: Vault
    ) -> None:
        """`vault` opens the secrets of passcodes and signatures."""
        self._rules = rules
        self._database = database
        self._tokens = tokens
        self._throttle = throttle
        self._clock = clock
        self._vault = vault
        self._receipts = Receipts(tokens.keys, clock)

    def authenticate(self, auth: dict[str, Any], address: str, attempt: Attempt | None = None) -> tuple[str, Claims]:
        """Log in as `auth` of POST /v3/auth/tokens asks; give the token and what it says.

        Raises: Unauthorized for anything not right, without saying what; MoreFactorsNeeded with a receipt when the user must
        show more; TooManyRequests when it was tried too often.
        """
        newest = self._newest_revocation()
        attempt = attempt or Attempt(address=address)
        proof = self._with_receipt(self._prove(auth["identity"], attempt), attempt)
        self._check_rescoping(auth, proof)
        return self._issue(proof, auth.get("scope"), newest)

    def authenticate_signed(self, pair: KeyPair) -> tuple[str, Claims]:
        """Log in the user of an EC2 key pair that was checked, in the key pair's project. Raises: Unauthorized."""
        newest = self._newest_revocation()
        with self._database.read() as tx:
            user = db.USERS.find(tx, pair.user_id)
            present = delegation.CREDENTIALS.find(tx, pair.id)
        if user is None or present is None:
            raise errors.Unauthorized
        proof = Proof(user=user, methods=(NOT_LOGGED_IN_BY,), key_pair_id=pair.id)
        return self._issue(proof, {"project": {"id": pair.project_id}}, newest)

    def _newest_revocation(self) -> int:
        with self._database.read() as tx:
            return db.newest_revocation(tx)  # before all that the token stands on: what is revoked from here on ends it

    def _issue(self, proof: Proof, asked: Any, newest: int) -> tuple[str, Claims]:
        with self._database.read() as tx:
            _check_enabled(tx, proof.user)
            scope = self._scope(tx, asked, proof)
            held = _roles_in(tx, scope, proof)
            claims = self._claims(_seen_by_trust(tx, proof, scope.trust), scope, held)
            if scope.trust is not None:
                claims = dataclasses.replace(claims, trust=trusts.named(tx, scope.trust))
        if scope.trust is not None:
            trust = scope.trust
            self._database.transact(lambda tx: trusts.use(tx, trust))
        claims = dataclasses.replace(claims, revoked_before=newest)
        return self._tokens.issue(claims), claims

    def _with_receipt(self, proof: Proof, attempt: Attempt) -> Proof:
        """Add what a receipt says was shown before; one of another password than the present one says nothing.

        Raises: Unauthorized; MoreFactorsNeeded when it is not enough.
        """
        if attempt.receipt:
            earlier = self._receipts.read(attempt.receipt)
            if (earlier.user_id, earlier.password_set_at) != (proof.user.id, proof.user.password_created_at):
                raise errors.Unauthorized
            proof = dataclasses.replace(proof, methods=tuple(dict.fromkeys((*proof.methods, *earlier.methods))))
        if not factors.are_enough(proof.user, proof.methods):
            text, receipt = self._receipts.issue(proof.user, proof.methods)
            raise MoreFactorsNeeded(
                user=proof.user, receipt_id=text, receipt=receipt, required=factors.missing_from(proof.user, proof.methods)
            )
        return proof

    def _check_rescoping(self, auth: dict[str, Any], proof: Proof) -> None:
        """Raises: Forbidden where scoped tokens keep their scope."""
        scoped = proof.earlier is not None and proof.earlier.scope is not None
        if scoped and not self._rules.rescopes_scoped and auth.get("scope") is not None:
            raise errors.Forbidden("You are not authorized to perform the requested action: rescope a scoped token.")

    def change_password(self, user_id: str, original: str, fresh: str, address: str) -> None:
        """Change one's own password. Raises: Unauthorized, TooManyRequests, BadRequest."""
        self._throttle.attempt(user_id, address)
        users.change_password(self._database, user_id, original, fresh, self._rules.passwords)
        self._throttle.succeeded(user_id, address)

    def _prove(self, identity: dict[str, Any], attempt: Attempt) -> Proof:
        """Check every method named; all must speak of one user."""
        methods = tuple(dict.fromkeys(identity["methods"]))
        if not methods or any(method not in METHODS or method == NOT_LOGGED_IN_BY for method in methods):
            raise errors.Unauthorized("Attempted to authenticate with an unsupported method.")
        if "application_credential" in methods and len(methods) > 1:
            raise errors.Unauthorized
        proofs = [self._prove_by(method, identity.get(method), attempt) for method in methods]
        if len({proof.user.id for proof in proofs}) != 1:
            raise errors.Unauthorized
        earlier = next((proof.earlier for proof in proofs if proof.earlier), None)
        every = tuple(dict.fromkeys(method for proof in proofs for method in proof.methods))
        access = next((proof.access for proof in proofs if proof.access), None)
        return dataclasses.replace(proofs[0], methods=every, earlier=earlier, access=access)

    def _prove_by(self, method: str, body: dict[str, Any] | None, attempt: Attempt) -> Proof:
        if body is None:
            raise errors.BadRequest(f"The identity names the method {method} but has no part for it.")
        if method == "password":
            return self._by_password(body["user"], attempt.address)
        if method == "token":
            return self._by_token(body["id"])
        if method == "totp":
            return self._by_passcode(body["user"], attempt.address)
        if method == "oauth1":
            return self._by_signature(attempt)
        return self._by_credential(body, attempt.address)

    def _by_password(self, body: dict[str, Any], address: str) -> Proof:
        who = _user_key(body)
        self._throttle.attempt(who, address)
        with self._database.read() as tx:
            user = _find_user(tx, body)
        right = passwords.matches(body["password"], user.password_hash if user else None)
        if not right or user is None or _has_expired(user, self._clock):
            raise errors.Unauthorized
        self._throttle.succeeded(who, address)
        users.upgrade_hash(self._database, user, body["password"])
        return Proof(user=user, methods=("password",))

    def _by_passcode(self, body: dict[str, Any], address: str) -> Proof:
        """Take a passcode of TOTP, once."""
        who = f"totp {_user_key(body)}"  # counted apart: a right password gives nothing back here
        self._throttle.attempt(who, address, PASSCODES)
        now = self._clock.wall()
        with self._database.read() as tx:
            user = _find_user(tx, body)
            found = totp.find_step(tx, self._vault, user.id, body["passcode"], now) if user else None
        if user is None or found is None or not self._database.transact(lambda tx: delegation.use_step(tx, *found)):
            raise errors.Unauthorized
        self._throttle.succeeded(who, address, PASSCODES)
        return Proof(user=user, methods=("totp",))

    def _by_signature(self, attempt: Attempt) -> Proof:
        """Take a request signed with an access token of OAuth."""
        signed = attempt.signed
        if signed is None:
            raise errors.BadRequest("The method oauth1 needs an OAuth header.")
        who = f"oauth1 {signed.oauth.get('oauth_token')}"[:255]
        self._throttle.attempt(who, attempt.address)
        token, project = self._database.transact(lambda tx: oauth.for_login(tx, self._vault, signed))
        self._throttle.succeeded(who, attempt.address)
        with self._database.read() as tx:
            user = db.USERS.find(tx, token.authorizing_user_id)
        if user is None:
            raise errors.Unauthorized
        return Proof(user=user, methods=("oauth1",), access=(token, project))

    def _by_token(self, token: str) -> Proof:
        self._tokens.refresh()  # else a token that ended a moment ago would live on in this one
        earlier = self._tokens.read(token)
        if earlier.is_delegated:
            raise errors.Forbidden("A token that was given by delegation (a trust, OAuth, a credential) makes no others.")
        with self._database.read() as tx:
            user = db.USERS.find(tx, earlier.user_id)
        if user is None:
            raise errors.Unauthorized
        methods = tuple(dict.fromkeys((*earlier.methods, "token")))
        return Proof(user=user, methods=methods, earlier=earlier)

    def _by_credential(self, body: dict[str, Any], address: str) -> Proof:
        who = f"credential {body.get('id') or _user_key(body.get('user', {})) + str(body.get('name'))}"
        self._throttle.attempt(who, address)
        with self._database.read() as tx:
            owner = _find_user(tx, body["user"]) if "user" in body else None
            credential = credentials.find_for_login(tx, body, owner.id if owner else None)
            user = db.USERS.find(tx, credential.user_id) if credential else None
        right = passwords.matches(body["secret"], credential.secret_hash if credential else None)
        if not right or credential is None or user is None or _is_past(credential.expires_at, self._clock):
            raise errors.Unauthorized
        self._throttle.succeeded(who, address)
        return Proof(user=user, methods=("application_credential",), credential=credential)

    def _scope(self, tx: Tx, asked: Any, proof: Proof) -> Scope:
        if proof.credential is not None:
            return _credential_scope(tx, asked, proof.credential)
        if proof.access is not None:
            return _checked(tx, Scope(kind=Target.PROJECT, target=proof.access[1]))
        if asked is None:
            return _default_scope(tx, proof)
        if asked == UNSCOPED or UNSCOPED in asked:
            return Scope()
        if TRUST_SCOPE in asked:
            trust, project = trusts.for_login(tx, asked[TRUST_SCOPE]["id"], proof.user.id)
            return _checked(tx, Scope(kind=Target.PROJECT, target=project, trust=trust))
        return asked_scope(tx, asked)

    def _claims(self, proof: Proof, scope: Scope, held: list[Role]) -> Claims:
        now = self._clock.wall()
        earlier = proof.earlier
        expires_at = earlier.expires_at if earlier else now + self._rules.lifetime_s
        if proof.credential is not None and proof.credential.expires_at is not None:
            expires_at = min(expires_at, proof.credential.expires_at)
        trust = scope.trust
        if trust is not None and trust.expires_at is not None:
            expires_at = min(expires_at, trust.expires_at)
        target = scope.target
        return Claims(
            user_id=proof.user.id,
            user_name=proof.user.name,
            user_domain_id=proof.user.domain_id,
            methods=proof.methods,
            issued_at=round(now, 6),
            expires_at=round(expires_at, 6),
            audit_ids=chain_of(earlier),
            scope=scope.kind,
            scope_id=SYSTEM if scope.kind == Target.SYSTEM else target.id if target else None,
            scope_name=target.name if target else None,
            scope_domain_id=(target.domain_id or None) if target else None,
            roles=tuple(role.name for role in held),
            application_credential_id=proof.credential.id if proof.credential else None,
            access_token_id=proof.access[0].id if proof.access else None,
            access_rules=credentials.rules_of(proof.credential) if proof.credential else None,
            key_pair_id=proof.key_pair_id,
        )


def _seen_by_trust(tx: Tx, proof: Proof, trust: Trust | None) -> Proof:
    """Give whom the token speaks of: with impersonation the trustor."""
    if trust is None or not trust.impersonation:
        return proof
    return dataclasses.replace(proof, user=db.USERS.get(tx, trust.trustor_user_id))


def _is_past(moment: float | None, clock: Clock) -> bool:
    return moment is not None and moment <= clock.wall()


def _has_expired(user: User, clock: Clock) -> bool:
    """Whether a user must change its password before it logs in."""
    return _is_past(user.password_expires_at, clock) and not user.options.get("ignore_password_expiry")


def _user_key(body: dict[str, Any]) -> str:
    """Name a user as the login does, for the throttle; memory is bounded, so it is cut."""
    domain = body.get("domain") or {}
    return str(body.get("id") or f"{domain.get('id') or domain.get('name')}/{body.get('name')}")[:255]


def find_domain(tx: Tx, body: dict[str, Any] | None) -> Project | None:
    """Find the domain a login names by id or name."""
    if not body:
        return None
    if "id" in body:
        found = db.PROJECTS.find(tx, body["id"])
        return found if found is not None and found.is_domain else None
    return db.PROJECTS.find_by(tx, name=body.get("name"), is_domain=True)


def _find_user(tx: Tx, body: dict[str, Any]) -> User | None:
    if "id" in body:
        return db.USERS.find(tx, body["id"])
    domain = find_domain(tx, body.get("domain"))
    return None if domain is None else db.USERS.find_by(tx, name=body.get("name"), domain_id=domain.id)


def _check_enabled(tx: Tx, user: User) -> None:
    domain = db.PROJECTS.find(tx, user.domain_id)
    if not user.enabled or domain is None or not domain.enabled:
        raise errors.Unauthorized


def _credential_scope(tx: Tx, asked: Any, credential: ApplicationCredential) -> Scope:
    """Give the one scope a credential has; asking for another is refused."""
    project = db.PROJECTS.find(tx, credential.project_id)
    if asked is not None:
        wanted = asked_scope(tx, asked) if isinstance(asked, dict) else Scope()
        if wanted.target is None or wanted.target.id != credential.project_id:
            raise errors.Unauthorized
    if project is None:
        raise errors.Unauthorized
    return _checked(tx, Scope(kind=Target.PROJECT, target=project))


def _default_scope(tx: Tx, proof: Proof) -> Scope:
    """Give the user's default project when it still has a role there, else none."""
    if proof.earlier is not None or not proof.user.default_project_id:
        return Scope()
    project = db.PROJECTS.find(tx, proof.user.default_project_id)
    if project is None or not _is_open(tx, project) or not roles.effective(tx, proof.user.id, Target.PROJECT, project):
        return Scope()
    return Scope(kind=Target.PROJECT, target=project)


def asked_scope(tx: Tx, asked: dict[str, Any]) -> Scope:
    """Find the scope that a login asks for. Raises: Unauthorized when there is none such, or it is disabled."""
    if "system" in asked:
        return Scope(kind=Target.SYSTEM)
    if "domain" in asked:
        return _checked(tx, Scope(kind=Target.DOMAIN, target=find_domain(tx, asked["domain"])))
    body = asked["project"]
    if "id" in body:
        project = db.PROJECTS.find(tx, body["id"])
    else:
        domain = find_domain(tx, body.get("domain"))
        project = db.PROJECTS.find_by(tx, name=body.get("name"), domain_id=domain.id) if domain else None
    return _checked(tx, Scope(kind=Target.PROJECT, target=project))


def _checked(tx: Tx, scope: Scope) -> Scope:
    if scope.target is None or not _is_open(tx, scope.target):
        raise errors.Unauthorized
    return scope


def _is_open(tx: Tx, target: Project) -> bool:
    """Whether a project or domain is enabled, and the domain that it is in too."""
    domain = target if target.is_domain else db.PROJECTS.find(tx, target.domain_id)
    return target.enabled and domain is not None and domain.enabled


def _roles_in(tx: Tx, scope: Scope, proof: Proof) -> list[Role]:
    """List the roles the token has; a scope without any is refused."""
    if scope.kind is None:
        return []
    if proof.credential is not None:
        held = credentials.roles_of(tx, proof.credential)
    elif proof.access is not None:
        held = oauth.roles_of(tx, *proof.access)
    elif scope.trust is not None and scope.target is not None:
        held = trusts.roles_of(tx, scope.trust, scope.target)
    else:
        held = roles.effective(tx, proof.user.id, scope.kind, scope.target)
    if not held:
        raise errors.Unauthorized
    return held
