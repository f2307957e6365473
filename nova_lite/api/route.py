"""What a service writes: its table of routes, and handlers from a Request to an Answer.

    ROUTES = (
        Route("GET", "/flavors", flavors.list_flavors, rule="os_compute_api:flavors:index", query=schemas.LIST),
        Route("POST", "/flavors", flavors.create_flavor, rule="os_compute_api:os-flavor-manage:create", body=schemas.CREATE),
        Route("POST", "/servers/{server_id}/action", power.stop, action="os-stop", rule="os_compute_api:servers:stop", body=S),
    )

Paths start at the service's versioned root (`/compute/v2.1`, `/identity/v3`, `/image/v2`, `/network/v2.0`), without a slash
at the end. A method and path (and action) may stand several times with version ranges that do not overlap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import falcon
import orjson

from nova_lite.api.microversion import ByVersion, Version
from nova_lite.api.validate import BodySchema, JsonSchema, QuerySchema

if TYPE_CHECKING:
    from nova_lite.api.body import Upload
    from nova_lite.api.parts import Parts
    from nova_lite.context import Context

JSON_MEDIA = ("application/json",)
SchemaSource = JsonSchema | ByVersion[Any] | None


class Readable(Protocol):
    """Bytes that are sent as they are read. With a `fileno` they go by sendfile from the present position."""

    def read(self, size: int = -1, /) -> bytes:
        """Give up to `size` bytes; none at the end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent back. `body` is made JSON (bytes and str go as they are); or `stream`, with its `length` in bytes.

    A stream is closed when it was sent or the client went away, if it has `close`.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    stream: Readable | Iterable[bytes] | None = None
    length: int | None = None
    content_type: str = "application/json"


def encoded(value: Any) -> bytes:
    """Write a body as it is sent; None is none."""
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


@dataclasses.dataclass(kw_only=True, slots=True)
class Request:
    """A request that was checked: token, version, rule, body and query.

    context: who asks (of nobody, with a request id only, on routes without token)
    params: the path's fields; query: lists of strings; body: the validated JSON
    version: the microversion, (0, 0) where a service has none
    url_root: `http://host:8774`, as the client reached us; service_url: with the versioned path
    upload: the bytes of a `raw` route
    raw: falcon's request, for what else is needed
    """

    method: str
    path: str
    route: Route
    params: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any
    version: Version
    context: Context
    parts: Parts
    url_root: str
    service_url: str
    headers: Mapping[str, str]  # names in upper case
    raw: falcon.Request
    upload: Upload | None = None

    def first(self, name: str, default: str | None = None) -> str | None:
        """Give a query parameter that is meant to stand once."""
        values = self.query.get(name)
        return values[0] if values else default

    def enforce(self, rule: str | None = None, target: Mapping[str, Any] | None = None) -> None:
        """Check a rule (the route's own without one) on a target such as `{"project_id": server.project_id}`.

        Raises: Forbidden. Another project's resource is NotFound: look that up first.
        """
        name = rule or self.route.rule
        if name is None:
            raise ValueError("no rule to enforce")
        self.parts.policy.enforce(name, self.context, own_target(self.context) if target is None else target)

    def may(self, rule: str, target: Mapping[str, Any] | None = None) -> bool:
        """Tell whether a rule lets the caller through."""
        return self.parts.policy.allows(rule, self.context, own_target(self.context) if target is None else target)


def own_target(context: Context) -> dict[str, Any]:
    """Give the target of what belongs to the caller: what routes are checked on before a handler runs."""
    return {
        "project_id": context.project_id,
        "user_id": context.user_id,
        "domain_id": context.domain_id,
        "target.user.id": context.user_id,
        "target.token.user_id": context.user_id,
        "target.credential.user_id": context.user_id,
        "target.limit.project_id": context.project_id,
        "target.limit.domain.id": context.domain_id,
        "target.trust.trustor_user_id": context.user_id,
        "target.trust.trustee_user_id": context.user_id,
        "target.project.id": context.project_id,
        "target.domain.id": context.domain_id or context.project_domain_id,
    }


Handler = Callable[[Request], Answer]
Turn = Callable[[Request, Callable[[], Answer]], Answer]


@dataclasses.dataclass(frozen=True)
class Route:
    """One line of a service's URL table.

    rule: policy rule checked on the caller's own project before the handler; None where the handler alone decides
    body: schema of the whole body, or ByVersion of such; None: no body is read
    query: schema of the query (`validate.query`), or ByVersion; None: the handler looks itself
    action: for `POST .../action`, the body's only key
    min_version, max_version: microversions in which the route exists, `"2.26"`, both included
    token: False where no token is needed
    media: content types taken. Bodies of other types than application/json may be lists
    raw: the body is not JSON but bytes, given as `request.upload`
    empty_ok: a missing body is None and is not checked; of a `raw` route then `request.upload` is None
    kept: False where an Idempotency-Key is ignored (it is for `raw` and GET in any case). Elsewhere a handler writes and
        reads the database only by `Database`, may be run again, and acts outside only by `after_commit`
    turn: waits until the handler may begin, around the transaction of a key; it may run the handler again
    by_handler: the rule speaks of what is acted on, so the handler alone enforces it, on that, before it does anything
    """

    method: str
    path: str
    handler: Handler
    rule: str | None = None
    body: SchemaSource = None
    query: SchemaSource = None
    action: str | None = None
    min_version: str | None = None
    max_version: str | None = None
    token: bool = True
    media: tuple[str, ...] = JSON_MEDIA
    raw: bool = False
    empty_ok: bool = False
    kept: bool = True
    turn: Turn | None = None
    by_handler: bool = False

    def __post_init__(self) -> None:
        """Compile the schemas."""
        object.__setattr__(self, "body_schema", _compiled(self.body, BodySchema))
        object.__setattr__(self, "query_schema", _compiled(self.query, QuerySchema))

    def body_at(self, version: Version) -> BodySchema | None:
        """Give the schema of bodies at a microversion."""
        table = self.__dict__["body_schema"]
        return None if table is None else table.at(version)

    def query_at(self, version: Version) -> QuerySchema | None:
        """Give the schema of queries at a microversion."""
        table = self.__dict__["query_schema"]
        return None if table is None else table.at(version)


class _Always:
    """One schema for every version."""

    def __init__(self, schema: BodySchema | QuerySchema | None) -> None:
        self._schema = schema

    def at(self, _version: Version) -> BodySchema | QuerySchema | None:
        """Give the only one there is."""
        return self._schema


def _compiled(source: SchemaSource, make: type[BodySchema] | type[QuerySchema]) -> Any:
    if source is None:
        return None
    if isinstance(source, ByVersion):
        return source.map(lambda schema: None if schema is None else make(schema))
    return _Always(make(source))
