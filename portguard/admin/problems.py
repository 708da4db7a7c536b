"""What goes wrong, as a caller gets it: application/problem+json (RFC 9457), with the field at fault and the remedy."""

from typing import Final

import msgspec

from portguard.admin.steering import Kind, Refusal
from portguard.admin.tables import Row

MEDIA_TYPE: Final = "application/problem+json"

STATUS_OF: Final[dict[Kind, int]] = {
    "invalid": 422, "absent": 404, "conflict": 409, "unavailable": 409, "busy": 503, "failed": 500,
}
TITLES: Final = {
    400: "The request does not fit the description", 401: "A token is needed", 403: "This token may not do that",
    404: "There is no such thing", 405: "The path does not take this method", 408: "The request did not come in time",
    409: "Not as things stand", 413: "The body is too large", 415: "A JSON body is expected",
    422: "What is asked for cannot be", 429: "Too many wrong tokens", 500: "That failed", 503: "Not now",
}


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """`type` is stable: about:blank but for refusals, which end in their kind. `instance` is the request's id, as in
    the log. `field` is a path like `row.port`; `errors` and `rows` are details."""

    status: int
    title: str
    detail: str
    type: str = "about:blank"
    instance: str = ""
    field: str = ""
    remedy: str = ""
    errors: list[str] = []
    rows: list[Row] = []


class Fault(Exception):
    """A request that gets no further; `headers` go into the answer."""

    def __init__(
        self, status: int, detail: str, *, field: str = "", remedy: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.headers = headers or {}
        self.problem = Problem(status, TITLES[status], detail, field=field, remedy=remedy)


def problem_of(refusal: Refusal) -> Problem:
    """A refusal as a problem."""
    status = STATUS_OF[refusal.kind]
    return Problem(
        status, TITLES[status], refusal.detail, f"urn:portguard:problem:{refusal.kind}", "", refusal.field,
        refusal.remedy, refusal.errors, refusal.rows,
    )


def faulty(error: msgspec.ValidationError, base: str = "") -> Fault:
    """What does not fit the description, with its path as the field."""
    message, _, place = str(error).partition(" - at `")
    place = place.rstrip("`").removeprefix("$").removeprefix(".")
    field = ".".join(part for part in (base, place) if part)
    return Fault(400, message[:1].lower() + message[1:], field=field, remedy="see /openapi.json for what is taken")
