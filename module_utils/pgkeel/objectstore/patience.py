"""Trying again, bounded in tries and in time.

botocore's own retry modes do not know the code that R2 sends with 429, so they are switched off and this takes their place.
"Full jitter" after Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..postgres.interruption import InterruptedRunError
from .errors import is_transient, status_of

T = TypeVar("T")
TOO_MANY_REQUESTS = 429
WRITE_INTERVAL = 1.05
"""Seconds."""


@dataclass(frozen=True)
class Patience:
    """How long to keep trying."""

    tries: int = 6
    seconds: float = 180.0
    """From the first try; no new try starts later."""
    first_delay: float = 0.3
    """Seconds, upper bound of the first pause; each further bound is twice the one before."""
    longest_delay: float = 15.0
    """Seconds, upper bound of any pause."""

    def bound(self, tries_done: int) -> float:
        """The upper bound of the pause after so many tries, in seconds."""
        return float(min(self.longest_delay, self.first_delay * 2.0 ** (tries_done - 1)))


def persist(
    operation: Callable[[], T],
    patience: Patience,
    *,
    stop: threading.Event | None = None,
    on_retry: Callable[[BaseException], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    chance: Callable[[], float] = random.random,
) -> T:
    """Call until it works, raises something that will not pass, or patience ends: then its last error is raised.

    ``stop``, when set, ends the pause and the trying; ``on_retry`` hears of each error that is tried again.
    A signal that came in the middle of a request is raised as what it is: InterruptedRunError.
    """
    halt = stop or threading.Event()
    handled = sys.exception()
    begun = clock()
    tries = 0
    while True:
        tries += 1
        try:
            return operation()
        except Exception as error:
            signalled = _interruption(error, handled)
            if signalled is not None:
                raise signalled from None
            # R2 takes one write a second of a key: after its 429 anything sooner is refused again.
            least = WRITE_INTERVAL if status_of(error) == TOO_MANY_REQUESTS else 0.1
            pause = max(least, patience.bound(tries) * chance())
            out_of_time = clock() - begun + pause > patience.seconds
            if not is_transient(error) or tries >= patience.tries or out_of_time or halt.wait(pause):
                raise
            if on_retry is not None:
                on_retry(error)


def _interruption(error: BaseException, handled: BaseException | None) -> InterruptedRunError | None:
    """The signal that an error stands for, however it was wrapped: botocore makes HTTPClientError of whatever ends a request.

    What the caller is cleaning up after, ``handled``, is not looked at: the cleaning-up goes on in spite of it.
    """
    seen = set() if handled is None else {id(handled)}
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        if isinstance(found, InterruptedRunError):
            return found
        seen.add(id(found))
        waiting += [found.__cause__, found.__context__]
    return None
