"""The errors that people and machines are told about, each with a code, a sentence and an HTTP status.

One place turns them into answers (`vetting.api.errors`), one into exit codes (`vetting.cli`).
"""

from __future__ import annotations


class Refusal(Exception):
    """A request that is understood and refused; `str(refusal)` says what was wrong, where, and what to do next."""

    code = "refused"
    http_status = 400
    exit_code = 2

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class BadInput(Refusal):
    """Malformed or impossible input."""

    code = "bad_input"


class NotFound(Refusal):
    """No such host, run, artifact or verb."""

    code = "not_found"
    http_status = 404


class NotAllowed(Refusal):
    """No token, a stale one, or one of another run: the answer is the same for all of them."""

    code = "not_allowed"
    http_status = 401


class Forbidden(Refusal):
    """A known person or host that may not do this."""

    code = "forbidden"
    http_status = 403


class Conflict(Refusal):
    """The thing is not in a state in which this can happen."""

    code = "conflict"
    http_status = 409


class IllegalMove(Conflict):
    """The lifecycle table has no such move; nothing was changed."""

    code = "illegal_move"


class StageMismatch(Conflict):
    """A result for another stage than the current one; the run is parked."""

    code = "stage_mismatch"


class TooLarge(Refusal):
    """A body over its limit."""

    code = "too_large"
    http_status = 413


class TooMany(Refusal):
    """Asked too often."""

    code = "too_many"
    http_status = 429


class ProtocolMismatch(Refusal):
    """The two programs speak different protocol versions."""

    code = "protocol_mismatch"
    http_status = 426


class Unavailable(Refusal):
    """We cannot do it now: disk full, database locked, service down. Nothing was lost; try again later."""

    code = "unavailable"
    http_status = 503
    exit_code = 1


class ToolMissing(Exception):
    """A program that a stage needs is not installed. Always an ERROR of the stage, never a skip."""

    def __init__(self, tool: str, package: str = "") -> None:
        hint = f"; install the package {package}" if package else ""
        super().__init__(f"the program {tool!r} is not installed on this host{hint}")
        self.tool = tool
