"""Requests that may meet any trouble, and what of it is right: an answer, a plain 'not now', or a connection that breaks. Never a hang."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

from support import wire

HANG_SECONDS = 45
"""No answer may take longer, whatever is broken: the database's time-out, a store's retries and their sum stay below."""


def ask(request: Callable[[], wire.Answer]) -> wire.Answer | None:
    """The answer; None if the connection broke. Nothing may take too long, and a 503 says when to come back."""
    began = time.monotonic()
    try:
        answer = request()
    except TimeoutError as error:
        raise AssertionError(f"no byte within {wire.TIMEOUT_SECONDS} s") from error
    except (OSError, http.client.HTTPException):
        answer = None
    took = time.monotonic() - began
    assert took < HANG_SECONDS, f"an answer after {took:.1f} s"
    if answer is not None and answer.status == 503:
        after = answer.header("Retry-After")
        assert after and after.isdigit(), f"503 with Retry-After {after!r}: {answer.text}"
    return answer


def not_now(answer: wire.Answer | None) -> bool:
    """Whether the server said, one way or the other, that it cannot do this now."""
    return answer is None or answer.status >= 500


def is_stale(answer: wire.Answer) -> bool:
    """Whether a page says of itself that it may be out of date (RFC 7234, 5.5.1)."""
    return (answer.header("Warning") or "").startswith("110 ")
