"""The one map from errors to HTTP answers, in each service's own shape."""

from __future__ import annotations

import html
import http
import logging
from collections.abc import Callable
from typing import Any

import falcon
import orjson

from nova_lite import errors
from nova_lite.api.route import Answer

LOG = logging.getLogger(__name__)

COMPUTE_NAMES = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    422: "unprocessableEntity",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
}
# What differs from the status an error has by default.
OVER_QUOTA = {"compute": 403, "network": 409, "image": 413}
HTML = "text/html; charset=UTF-8"
SECONDS_TO_RETRY = 5


def translate(error: BaseException) -> errors.NovaLiteError:
    """Make one of our errors of anything; an unknown one becomes a 500 without detail."""
    if isinstance(error, errors.NovaLiteError):
        return error
    if isinstance(error, falcon.HTTPError):
        return _of_falcon(error)
    return errors.NovaLiteError("An unexpected error prevented the server from fulfilling your request.")


def _of_falcon(error: falcon.HTTPError) -> errors.NovaLiteError:
    known = {
        400: errors.BadRequest,
        404: errors.NotFound,
        405: errors.MethodNotAllowed,
        413: errors.TooLarge,
        415: errors.UnsupportedMediaType,
        416: errors.RangeNotSatisfiable,
    }
    made = known.get(error.status_code, errors.BadRequest)()
    allow = (error.headers or {}).get("Allow") if isinstance(error.headers, dict) else None
    if allow:
        made.details["allow"] = allow
    return made


def answer(service: str, error: BaseException, *, accept: str = "*/*", auth_url: str = "") -> Answer:
    """Give the answer to an error: status, body in the service's shape, and the headers that belong to it."""
    ours = translate(error)
    status = OVER_QUOTA.get(service, ours.status) if isinstance(ours, errors.OverQuota) else ours.status
    headers = _headers(ours, status, auth_url)
    if service == "image" and "application/json" not in accept:
        return Answer(status=status, body=_html(status, ours.message), headers=headers, content_type=HTML)
    shape = SHAPES.get(service, _identity)
    if status == 401:
        shape = _identity  # the token check in front of every service speaks Identity's language
    return Answer(status=status, body=orjson.dumps(shape(status, ours)), headers=headers)


def _headers(error: errors.NovaLiteError, status: int, auth_url: str) -> dict[str, str]:
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = f'Keystone uri="{auth_url}"'
    if status in (429, 503):
        seconds = getattr(error, "retry_after_s", None) or error.details.get("retry_after_s") or SECONDS_TO_RETRY
        headers["Retry-After"] = str(seconds)
    if status == 405 and "allow" in error.details:
        headers["Allow"] = str(error.details["allow"])
    return headers


def phrase(status: int) -> str:
    """Give the words that go with a status, as in `404 Not Found`."""
    return http.HTTPStatus(status).phrase


def _compute(status: int, error: errors.NovaLiteError) -> dict[str, Any]:
    fault: dict[str, Any] = {"code": status, "message": error.message}
    if status in (413, 429):
        fault["retryAfter"] = str(error.details.get("retry_after_s", 0))
    return {COMPUTE_NAMES.get(status, "computeFault"): fault}


def _identity(status: int, error: errors.NovaLiteError) -> dict[str, Any]:
    return {"error": {"code": status, "message": error.message, "title": phrase(status)}}


def _image(status: int, error: errors.NovaLiteError) -> dict[str, Any]:
    return {"code": f"{status} {phrase(status)}", "title": phrase(status), "message": error.message}


def _network(status: int, error: errors.NovaLiteError) -> dict[str, Any]:
    kind = error.details.get("type") or _network_type(status, error)
    return {"NeutronError": {"type": kind, "message": error.message, "detail": error.details.get("detail", "")}}


def _network_type(status: int, error: errors.NovaLiteError) -> str:
    if isinstance(error, errors.OverQuota):
        return "OverQuota"
    if isinstance(error, errors.Forbidden):
        return "PolicyNotAuthorized"
    return "HTTP" + phrase(status).replace(" ", "").replace("-", "")


SHAPES: dict[str, Callable[[int, errors.NovaLiteError], dict[str, Any]]] = {
    "compute": _compute,
    "identity": _identity,
    "image": _image,
    "network": _network,
}


def _html(status: int, message: str) -> str:
    title = f"{status} {phrase(status)}"
    return (
        f"<html>\n <head>\n  <title>{title}</title>\n </head>\n <body>\n  <h1>{title}</h1>\n"
        f"  {html.escape(message)}<br /><br />\n </body>\n</html>"
    )


def log(error: BaseException, request_id: str, action: str) -> None:
    """Write what a client is not told: unknown errors with their trace, outages in a line."""
    extra = {"request_id": request_id, "action": action}
    if isinstance(error, errors.Busy):
        return  # a metric counts them; a line for each would be one more flood
    if isinstance(error, errors.Unavailable):
        LOG.warning("A part of the cloud does not answer: %s", error.message, extra=extra)
    elif translate(error).status >= 500:
        LOG.error("The request failed unexpectedly (%s).", request_id, exc_info=error, extra=extra)
