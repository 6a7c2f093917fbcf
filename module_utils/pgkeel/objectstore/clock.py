"""Whether this server and the store agree on the time."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import PgkeelError
from .errors import StoreError
from .store import Store

MOST_SECONDS = 300


def require_same_clock(
    store: Store, prefix: str, now: datetime | None = None, *, until_then: str = "no backup is removed"
) -> None:
    """Raise PgkeelError unless the store's ``Date`` is within five minutes of ours: ages would otherwise be guesses."""
    answer = store.call(
        "asking for its time", lambda: store.client.list_objects_v2(Bucket=store.bucket, Prefix=prefix, MaxKeys=1)
    )
    header = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        theirs = parsedate_to_datetime(header)
    except ValueError:
        raise StoreError("The store does not tell its time", f"Without it no age is known, and {until_then}") from None
    difference = ((now or datetime.now(UTC)) - theirs).total_seconds()
    if abs(difference) > MOST_SECONDS:
        raise PgkeelError(
            f"This server's clock and the store's differ by {difference:.0f} s",
            f"Synchronise the clock (systemd-timesyncd or chrony): until then {until_then}",
        )
