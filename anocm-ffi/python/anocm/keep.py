"""Retentions from Python's own types."""

from __future__ import annotations

from datetime import timedelta
from typing import Union

from ._native import AnocmError, Retention

#: A retention, a time span, or a number of seconds. Zero is live: delivered, never stored.
Keep = Union[Retention, timedelta, float, int]

_MAX_MILLIS = 2**32 - 1


def keep(span: Keep) -> Retention:
    """Returns the retention for a time span of one second to thirty days; zero is live.

    Raises `AnocmError.BadRetention` for anything else.
    """
    if isinstance(span, Retention):
        return span
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if seconds == 0:
        return Retention.LIVE()
    # Written so that a NaN is refused as well.
    if not 0 < seconds * 1_000 <= _MAX_MILLIS:
        raise AnocmError.BadRetention("a message is kept for one second to thirty days, or not at all")
    return Retention.KEEP(millis=int(seconds * 1_000))
