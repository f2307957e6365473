"""OAuth 1.0 (RFC 5849) as far as Keystone's extension goes: a consumer asks, a user authorizes, the consumer logs in."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import secrets
import urllib.parse
from collections.abc import Collection

from nova_lite import errors
from nova_lite.db import delegation as db
from nova_lite.db import identity
from nova_lite.db.engine import Tx
from nova_lite.identity import revocations, roles
from nova_lite.identity.projects import new_id
from nova_lite.identity.vault import Vault
from nova_lite.model.delegation import AccessToken, Consumer, Nonce, RequestToken
from nova_lite.model.identity import Project, Role, Target

REQUEST_TOKEN_S = 28_800.0
ACCESS_TOKEN_S = 86_400.0
CLOCKS_DIFFER_S = 600.0
VERIFIER_LENGTH = 8
VERIFIER_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
MOST_PARAMETERS = 50


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignedRequest:
    """A request with an OAuth header: what was signed, and the header's parameters."""

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    oauth: dict[str, str] = dataclasses.field(repr=False)


def read_header(text: str) -> dict[str, str]:
    """Read the parameters of an Authorization header (section 3.5.1); none when it is of another kind."""
    kind, _, rest = text.partition(" ")
    if kind.lower() != "oauth":
        return {}
    found = {}
    for part in rest.split(",")[:MOST_PARAMETERS]:
        name, _, value = part.strip().partition("=")
        found[urllib.parse.unquote(name)] = urllib.parse.unquote(value.strip('"'))
    return found


def make_signature(request: SignedRequest, consumer_secret: str, token_secret: str) -> str:
    """Give the HMAC-SHA1 signature of a request (section 3.4)."""
    signed = [(name, value) for name, value in request.oauth.items() if name not in ("oauth_signature", "realm")]
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in (*signed, *request.query))
    parameters = "&".join(f"{name}={value}" for name, value in pairs)
    text = "&".join((request.method.upper(), _quoted(_base_url(request.url)), _quoted(parameters)))
    key = f"{_quoted(consumer_secret)}&{_quoted(token_secret)}"
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha1")).decode("ascii")


def _quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="-._~")


def _base_url(url: str) -> str:
    """Give scheme, host and path as they are signed: in lower case, without a usual port (section 3.4.1.2)."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.lower()
    usual = {"http": ":80", "https": ":443"}.get(parts.scheme.lower(), "")
    return f"{parts.scheme.lower()}://{host.removesuffix(usual) if usual else host}{parts.path or '/'}"


def _check(tx: Tx, request: SignedRequest, consumer_secret: str, token_secret: str) -> None:
    """Check signature and time, and that the request is not one that came before. Raises: Unauthorized."""
    given = request.oauth
    if given.get("oauth_signature_method") != "HMAC-SHA1":
        raise errors.Unauthorized("The signature method must be HMAC-SHA1.")
    made = make_signature(request, consumer_secret, token_secret)
    if not hmac.compare_digest(made.encode(), given.get("oauth_signature", "").encode()):
        raise errors.Unauthorized("Invalid signature")
    now = tx.database.clock.wall()
    stamp, nonce = given.get("oauth_timestamp", ""), given.get("oauth_nonce", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16) or abs(now - int(stamp)) > CLOCKS_DIFFER_S or not nonce:
        raise errors.Unauthorized("The timestamp or nonce is not valid.")
    _once(tx, "\0".join((given["oauth_consumer_key"], given.get("oauth_token", ""), stamp, nonce)), now)


def _once(tx: Tx, text: str, now: float) -> None:
    key = hashlib.sha256(text.encode()).hexdigest()
    db.forget_nonces(tx, now)
    if db.NONCES.find(tx, key) is not None:
        raise errors.Unauthorized("The request was signed for another one that came before.")
    db.NONCES.insert(tx, Nonce(id=key, expires_at=now + 2 * CLOCKS_DIFFER_S))


def create_consumer(tx: Tx, vault: Vault, consumer: Consumer) -> tuple[Consumer, str]:
    """Add a consumer, whose secret is made; give it with the secret."""
    secret = secrets.token_hex(32)
    made = dataclasses.replace(consumer, id=new_id(), secret="")
    made = dataclasses.replace(made, secret=vault.seal(secret, made.id))
    return db.CONSUMERS.insert(tx, made), secret


def delete_consumer(tx: Tx, consumer_id: str) -> None:
    """Remove a consumer with its tokens, which end. Raises: NotFound."""
    db.CONSUMERS.delete(tx, consumer_id)
    for token in db.ACCESS_TOKENS.list_by(tx, consumer_id=consumer_id):
        revocations.revoke(tx, revocations.ACCESS_TOKEN, token.id)
    db.ACCESS_TOKENS.delete_by(tx, consumer_id=consumer_id)
    db.REQUEST_TOKENS.delete_by(tx, consumer_id=consumer_id)


def _named(request: SignedRequest, name: str) -> str:
    value = request.oauth.get(name)
    if not value or "\0" in value:  # which some databases refuse with an error of their own
        raise errors.BadRequest(f"The OAuth header must name {name}.")
    return value


def ask(tx: Tx, vault: Vault, request: SignedRequest, project_id: str) -> tuple[RequestToken, str]:
    """Make a request token; give it with its secret. Raises: BadRequest, NotFound, Unauthorized."""
    consumer = db.CONSUMERS.get(tx, _named(request, "oauth_consumer_key"))
    _check(tx, request, vault.open(consumer.secret, consumer.id), "")
    identity.PROJECTS.get(tx, project_id)  # which projects there are is told to those who have signed
    secret, key = secrets.token_hex(16), new_id()
    token = RequestToken(
        id=key,
        consumer_id=consumer.id,
        project_id=project_id,
        secret=vault.seal(secret, key),
        expires_at=round(tx.database.clock.wall() + REQUEST_TOKEN_S, 6),
    )
    return db.REQUEST_TOKENS.insert(tx, token), secret


def _request_token(tx: Tx, token_id: str) -> RequestToken:
    token = db.REQUEST_TOKENS.get(tx, token_id)
    if token.expires_at <= tx.database.clock.wall():
        raise errors.Unauthorized("Request token is expired")
    return token


def authorize(tx: Tx, token_id: str, user_id: str, asked: Collection[str]) -> str:
    """Have a user authorize a request with some of its roles (ids or names); give the verifier.

    Raises: NotFound for the token; Unauthorized when it is over or the user has not all of the roles.
    """
    token = _request_token(tx, token_id)
    project = identity.PROJECTS.get(tx, token.project_id)
    held = roles.effective(tx, user_id, Target.PROJECT, project)
    chosen = [role for role in held if role.id in asked or role.name in asked]
    if not chosen or len(chosen) < len(set(asked)):
        raise errors.Unauthorized("authorizing user does not have role required")
    verifier = "".join(secrets.choice(VERIFIER_CHARACTERS) for _ in range(VERIFIER_LENGTH))
    db.REQUEST_TOKENS.update(tx, token.id, verifier=verifier, authorizing_user_id=user_id, roles=[role.id for role in chosen])
    return verifier


def exchange(tx: Tx, vault: Vault, request: SignedRequest) -> tuple[AccessToken, str]:
    """Make an access token of an authorized request token, which is used up; give it with its secret.

    Raises: BadRequest, NotFound, Unauthorized.
    """
    consumer_id = _named(request, "oauth_consumer_key")
    token = _request_token(tx, _named(request, "oauth_token"))
    verifier = _named(request, "oauth_verifier")
    consumer = db.CONSUMERS.find(tx, consumer_id)
    if consumer is None or token.consumer_id != consumer.id:
        raise errors.Unauthorized("Provided consumer key does not match stored consumer key.")
    _check(tx, request, vault.open(consumer.secret, consumer.id), vault.open(token.secret, token.id))
    if token.verifier is None or token.authorizing_user_id is None:
        raise errors.Unauthorized("Request Token does not have an authorizing user id.")
    if not hmac.compare_digest(token.verifier.encode(), verifier.encode()):
        raise errors.Unauthorized("Provided verifier does not match stored verifier")
    db.REQUEST_TOKENS.delete(tx, token.id)
    secret, key = secrets.token_hex(16), new_id()
    made = AccessToken(
        id=key,
        consumer_id=consumer.id,
        project_id=token.project_id,
        secret=vault.seal(secret, key),
        authorizing_user_id=token.authorizing_user_id,
        roles=token.roles or [],
        expires_at=round(tx.database.clock.wall() + ACCESS_TOKEN_S, 6),
    )
    return db.ACCESS_TOKENS.insert(tx, made), secret


def for_login(tx: Tx, vault: Vault, request: SignedRequest) -> tuple[AccessToken, Project]:
    """Find the access token that a login was signed with, and its project. Raises: Unauthorized, BadRequest."""
    token = db.ACCESS_TOKENS.find(tx, _named(request, "oauth_token"))
    consumer = db.CONSUMERS.find(tx, _named(request, "oauth_consumer_key"))
    if token is None or consumer is None or token.consumer_id != consumer.id:
        raise errors.Unauthorized("Could not validate the access token")
    if token.expires_at is not None and token.expires_at <= tx.database.clock.wall():
        raise errors.Unauthorized("Access token is expired")
    _check(tx, request, vault.open(consumer.secret, consumer.id), vault.open(token.secret, token.id))
    project = identity.PROJECTS.find(tx, token.project_id)
    if project is None:
        raise errors.Unauthorized
    return token, project


def roles_of(tx: Tx, token: AccessToken, project: Project) -> list[Role]:
    """List the roles an access token gives now: those it was authorized for that its user still has."""
    held = roles.effective(tx, token.authorizing_user_id, Target.PROJECT, project)
    return [role for role in held if role.id in token.roles]


def get_access_token(tx: Tx, user_id: str, token_id: str) -> AccessToken:
    """Read an access token of a user. Raises: NotFound."""
    found = db.ACCESS_TOKENS.get(tx, token_id)
    if found.authorizing_user_id != user_id:
        raise errors.NotFound(f"Could not find access token: {token_id[:64]}.")
    return found


def delete_access_token(tx: Tx, user_id: str, token_id: str) -> None:
    """Take an access token back; tokens made with it end. Raises: NotFound."""
    db.ACCESS_TOKENS.delete(tx, get_access_token(tx, user_id, token_id).id)
    revocations.revoke(tx, revocations.ACCESS_TOKEN, token_id)
