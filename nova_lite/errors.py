"""The one tree of errors: what went wrong, its stable code, and the HTTP status it has by default."""

from __future__ import annotations


class NovaLiteError(Exception):
    """The request could not be completed."""

    code = "error"
    status = 500

    def __init__(self, message: str | None = None, **details: object) -> None:
        """`message` is shown to the user; without one the class's docstring is. `details` go to the log and to views."""
        self.message = message or (type(self).__doc__ or "").strip()
        self.details = details
        super().__init__(self.message)


class BadRequest(NovaLiteError):
    """The request is malformed."""

    code = "bad_request"
    status = 400


class Unauthorized(NovaLiteError):
    """The request you have made requires authentication."""

    code = "unauthorized"
    status = 401


class Forbidden(NovaLiteError):
    """You are not allowed to do this."""

    code = "forbidden"
    status = 403


class OverQuota(Forbidden):
    """The request would exceed a quota of the project."""

    code = "over_quota"


class NotFound(NovaLiteError):
    """The resource could not be found."""

    code = "not_found"
    status = 404


class MethodNotAllowed(NovaLiteError):
    """The method is not allowed on this resource."""

    code = "method_not_allowed"
    status = 405


class NotAcceptable(NovaLiteError):
    """The asked version is not served here."""

    code = "not_acceptable"
    status = 406


class RequestTimeout(NovaLiteError):
    """The request did not arrive in time."""

    code = "request_timeout"
    status = 408


class Conflict(NovaLiteError):
    """The resource is in a state that does not allow this."""

    code = "conflict"
    status = 409


class NoRoom(Conflict):
    """No host has room for the server."""

    code = "no_room"


class Gone(NovaLiteError):
    """This interface was removed."""

    code = "gone"
    status = 410


class LengthRequired(NovaLiteError):
    """The request needs a Content-Length."""

    code = "length_required"
    status = 411


class TooLarge(NovaLiteError):
    """The request is too large."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(NovaLiteError):
    """The content type is not supported here."""

    code = "unsupported_media_type"
    status = 415


class RangeNotSatisfiable(NovaLiteError):
    """The asked range is outside the data."""

    code = "range_not_satisfiable"
    status = 416


class Unprocessable(NovaLiteError):
    """The request is understood and cannot be done as it is."""

    code = "unprocessable"
    status = 422


class TooManyRequests(NovaLiteError):
    """Too many attempts; try again later."""

    code = "too_many_requests"
    status = 429


class NotImplementedHere(NovaLiteError):
    """This cloud does not offer this feature."""

    code = "not_implemented"
    status = 501


class Unavailable(NovaLiteError):
    """A part of the cloud does not answer at the moment; the request may be repeated."""

    code = "unavailable"
    status = 503

    def __init__(self, message: str | None = None, *, retry_after_s: int = 5, **details: object) -> None:
        """`retry_after_s` becomes the Retry-After header."""
        super().__init__(message, **details)
        self.retry_after_s = retry_after_s


class Busy(Unavailable):
    """More requests come at the moment than fit; try again in a moment."""

    code = "busy"


class InsufficientStorage(NovaLiteError):
    """The store has no space left for the data."""

    code = "insufficient_storage"
    status = 507


class ConfigError(NovaLiteError):
    """The configuration is not usable."""

    code = "config"
