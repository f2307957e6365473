"""From falcon's request to a handler and back: version, token, body, rule, query, answer."""

from __future__ import annotations

import functools
import logging
import re
import time
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import falcon

from nova_lite import errors
from nova_lite.api import auditing, body, faults, idempotency
from nova_lite.api.admission import gates_of, kind_of
from nova_lite.api.lenient import without_unknown
from nova_lite.api.microversion import Version, parse
from nova_lite.api.parts import Parts
from nova_lite.api.route import Answer, Request, Route, encoded, own_target
from nova_lite.api.service import Service
from nova_lite.context import Context, new_request_id
from nova_lite.identity.port import Call
from nova_lite.rpc.port import Envelope, carrying

LOG = logging.getLogger(__name__)
REQUEST_ID = "X-Openstack-Request-Id"
NO_VERSION: Version = (0, 0)
MAX_QUERY_FIELDS = 200
NO_CONTENT = (204, 304)
_REQUEST_ID_FORM = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_FIELD = re.compile(r"\{([a-z_0-9]+)\}")


def request_id_of(raw: falcon.Request) -> str:
    """Take the client's request id when it has the right form, else make one; the same for the whole request."""
    known = raw.context.get("request_id")
    if known is None:
        asked = raw.get_header(REQUEST_ID) or ""
        known = asked if _REQUEST_ID_FORM.fullmatch(asked) else new_request_id()
        raw.context["request_id"] = known
    return str(known)


class Front:
    """The common way of one service's requests."""

    def __init__(self, service: Service, parts: Parts) -> None:
        """`parts` is what handlers are given."""
        self.service = service
        self.parts = parts

    def handle(self, choices: tuple[Choice, ...], raw: falcon.Request, response: falcon.Response, **fields: str) -> None:
        """Serve one request: what is wrong with it raises, and `Failures` answers."""
        started = time.monotonic()
        raw.context["service"] = self.service.name
        version = self._version(raw)
        present = _in_version(choices, version)
        if not self.service.open_ended and present[0].route.token and raw.env["PATH_INFO"].endswith("/"):
            raise errors.NotFound
        early, late = present[0].gates
        slot = self.parts.admission.slot
        with slot(early), slot(late, (context := self._caller(present[0].route, raw)).project_id):
            choice, content, upload = _choose(present, choices, raw)
            request = self._request(choice, raw, context, version, fields)
            request.body, request.upload = content, upload
            with carrying(Envelope(request_id=context.request_id)):
                answer = self._audited(request)
        write(response, answer)
        self._sign(response, raw)
        LOG.info(
            "%s %s %d in %.0f ms", raw.method, raw.path, answer.status, (time.monotonic() - started) * 1000,
            extra={"request_id": context.request_id, "action": f"{raw.method} {choice.route.path}"},
        )  # fmt: skip

    def fail(self, raw: falcon.Request, response: falcon.Response, error: BaseException) -> None:
        """Answer an error in this service's shape."""
        faults.log(error, request_id_of(raw), f"{raw.method} {raw.path}")
        accept = raw.get_header("Accept") or "*/*"
        auth_url = self.parts.auth_url or f"{url_root(raw, self.parts)}/identity"
        write(response, faults.answer(self.service.name, error, accept=accept, auth_url=auth_url))
        self._sign(response, raw)

    def _version(self, raw: falcon.Request) -> Version:
        if self.service.versions is None:
            return NO_VERSION
        version = self.service.versions.read(raw.get_header)
        raw.context["version"] = version
        return version

    def _caller(self, route: Route, raw: falcon.Request) -> Context:
        request_id = request_id_of(raw)
        if not route.token:
            return Context(request_id=request_id)
        token = raw.get_header("X-Auth-Token")
        if not token:
            raise errors.Unauthorized
        return self.parts.tokens.check(token, request_id, call_of(self.service, raw))

    def _request(
        self, choice: Choice, raw: falcon.Request, context: Context, version: Version, fields: dict[str, str]
    ) -> Request:
        root = url_root(raw, self.parts)
        return Request(
            method=raw.method,
            path=raw.path,
            route=choice.route,
            params=dict(zip(choice.names, _checked(fields), strict=True)),
            query=read_query(raw.query_string),
            body=None,
            version=version,
            context=context,
            parts=self.parts,
            url_root=root,
            service_url=root + self.service.root,
            headers=raw.headers,
            raw=raw,
        )

    def _audited(self, request: Request) -> Answer:
        """Answer, and write down what matters for security."""
        try:
            answer = self._answer(request)
        except errors.NovaLiteError as error:
            auditing.refused(self.service.name, request, error)
            raise
        auditing.done(self.service.name, request, answer)
        return answer

    def _answer(self, request: Request) -> Answer:
        route = request.route
        if route.rule is not None and not route.by_handler:
            self.parts.policy.enforce(route.rule, request.context, own_target(request.context))
        query = route.query_at(request.version)
        if query is not None:
            query.check(request.query)
        schema = route.body_at(request.version)
        if schema is not None and not (request.body is None and route.empty_ok):
            if self.service.lenient:
                request.body = without_unknown(request.body, (schema.source,))
            schema.check(request.body)
        if route.turn is not None:
            return route.turn(request, functools.partial(idempotency.answer, request))
        return idempotency.answer(request)

    def _sign(self, response: falcon.Response, raw: falcon.Request) -> None:
        """Write the headers that every answer has, errors too."""
        request_id = request_id_of(raw)
        response.set_header(REQUEST_ID, request_id)
        if self.service.request_id_header:
            response.set_header(self.service.request_id_header, request_id)
        versions = self.service.versions
        if versions is not None:
            response.set_headers(versions.headers(raw.context.get("version", versions.least)))


class Choice:
    """A route with its path's field names, and its range of versions as numbers."""

    __slots__ = ("first", "gates", "last", "names", "route")

    def __init__(self, route: Route) -> None:
        """Read the route's path, versions and cost once."""
        self.route = route
        self.gates = gates_of(kind_of(route.method, route.path, token=route.token, raw=route.raw))
        self.names = tuple(_FIELD.findall(route.path))
        self.first = parse(route.min_version) if route.min_version else NO_VERSION
        self.last = parse(route.max_version) if route.max_version else (9999, 9999)


def call_of(service: Service, raw: falcon.Request) -> Call:
    """Say what a token is shown for."""
    return Call(
        service=service.name,
        method=raw.method,
        path=raw.path.removeprefix(service.prefix),
        service_token=raw.get_header("X-Service-Token"),
    )


def _in_version(choices: tuple[Choice, ...], version: Version) -> list[Choice]:
    present = [choice for choice in choices if choice.first <= version <= choice.last]
    if not present:
        raise errors.NotFound(f"API version {version[0]}.{version[1]} is not supported on this method.")
    return present


def _choose(present: list[Choice], every: tuple[Choice, ...], raw: falcon.Request) -> tuple[Choice, Any, body.Upload | None]:
    """Read the body, and choose among actions by its key."""
    first = present[0]
    if first.route.action is not None:
        content = body.read_json(raw, first.route.media)
        return _by_action(present, every, content), content, None
    if first.route.raw and not (first.route.empty_ok and not body.has_body(raw)):
        return first, None, body.open_upload(raw, first.route.media)
    if first.route.raw or first.route.body is None:
        return first, None, None
    if first.route.empty_ok and not body.has_body(raw):
        return first, None, None
    return first, body.read_json(raw, first.route.media), None


def _by_action(present: list[Choice], every: tuple[Choice, ...], content: Any) -> Choice:
    """Find the action a body names. Raises: BadRequest for none or an unknown one, NotFound for one of another version."""
    if len(content) != 1:
        raise errors.BadRequest("The body must hold exactly one action.")
    name = next(iter(content))
    for choice in present:
        if choice.route.action == name:
            return choice
    if any(choice.route.action == name for choice in every):
        raise errors.NotFound(f"The action {name} is not part of this API version.")
    raise errors.BadRequest(f"There is no such action: {name[:64]}")


def _checked(fields: dict[str, str]) -> list[str]:
    """Give the path's values in order; none may hold a NUL, which some databases refuse with an error of their own."""
    values = [fields[name] for name in sorted(fields)]
    if any("\0" in value for value in values):
        raise errors.NotFound
    return values


def read_query(text: str) -> dict[str, list[str]]:
    """Read a query string. Raises: BadRequest when it is not UTF-8 or holds too much."""
    if not text:
        return {}
    try:
        found = urllib.parse.parse_qs(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS)
    except ValueError as error:  # UnicodeDecodeError is one
        raise errors.BadRequest("The query string is not valid.") from error
    if "%00" in text:
        raise errors.BadRequest("The query string must not contain NUL characters.")
    return found


def url_root(raw: falcon.Request, parts: Parts) -> str:
    """Give the address of all APIs as the client reaches them, for links."""
    return parts.options.public_url or raw.prefix


def write(response: falcon.Response, answer: Answer) -> None:
    """Put an answer into falcon's response."""
    response.status = falcon.code_to_http_status(answer.status)
    for name, value in answer.headers.items():
        response.set_header(name, value)
    if answer.status not in NO_CONTENT:
        response.content_type = answer.content_type
    if answer.stream is not None:
        _stream(response, answer)
    else:
        response.data = encoded(answer.body)


def _stream(response: falcon.Response, answer: Answer) -> None:
    response.stream = answer.stream
    if answer.length is not None:
        response.content_length = answer.length


class Resource:
    """One path: falcon finds `on_get` and the like here. HEAD is GET whose body falcon leaves out."""

    def __init__(self, front: Front, routes: Iterable[Route]) -> None:
        """`routes` all have this path."""
        by_method: dict[str, list[Choice]] = defaultdict(list)
        for route in routes:
            by_method[route.method].append(Choice(route))
        if "GET" in by_method:
            by_method.setdefault("HEAD", by_method["GET"])
        for method, choices in by_method.items():
            setattr(self, f"on_{method.lower()}", functools.partial(front.handle, tuple(choices)))


def template(path: str) -> str:
    """Rename a path's fields by position (`{f0}`), so that routes may call the same place differently."""
    count = iter(range(10))
    return _FIELD.sub(lambda _match: f"{{f{next(count)}}}", path)
