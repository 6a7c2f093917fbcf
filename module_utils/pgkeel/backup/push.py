"""Telling an uptime monitor how a drill went. Only PASS counts as alive.

Uptime Kuma, "Push" monitor: GET .../api/push/<token>?status=up|down&msg=...&ping=<ms>. Healthchecks, "Pinging API": POST to the
check's URL means success, to the URL with /fail failure; the body is kept as its log.
"""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from .check import Verdict

TRIES = 3
SECONDS = 10
LONGEST_MESSAGE = 250


def tell(
    monitors: Iterable[Mapping[str, str]], verdict: Verdict, message: str, rto_seconds: float | None
) -> list[dict[str, Any]]:
    """Tell each monitor, with its ``kind`` and ``url``; returns what came of it. Never raises, and never repeats a URL."""
    outcomes = []
    for monitor in monitors:
        error = _send(monitor, verdict, message, rto_seconds)
        outcomes.append({"kind": monitor["kind"], "told": not error, "error": error})
    return outcomes


def _request(kind: str, url: str, verdict: Verdict, message: str, rto_seconds: float | None) -> urllib.request.Request | None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    alive = verdict is Verdict.PASS
    text = f"{verdict.value}: {message}"[:LONGEST_MESSAGE]
    if kind == "uptime_kuma":
        query = urlencode(
            {"status": "up" if alive else "down", "msg": text, "ping": "" if rto_seconds is None else round(rto_seconds * 1000)}
        )
        # The URL that Uptime Kuma shows ends with an example of its own.
        return urllib.request.Request(urlunsplit((parts.scheme, parts.netloc, parts.path, query, "")))  # noqa: S310 - checked
    path = parts.path.rstrip("/") + ("" if alive else "/fail")
    return urllib.request.Request(  # noqa: S310 - checked
        urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), data=text.encode(), method="POST"
    )


def _send(monitor: Mapping[str, str], verdict: Verdict, message: str, rto_seconds: float | None) -> str:
    """The error, without the URL; empty when the monitor took it."""
    error = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(attempt)
        try:
            request = _request(monitor["kind"], monitor["url"], verdict, message, rto_seconds)
            if request is None:
                return "its URL is not one of http or https"
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - checked
                # Uptime Kuma answers an unknown token with 404, and Healthchecks an unknown check with 200 and these words.
                if b"not found" in answer.read(200):
                    return "it does not know this check"
        except urllib.error.HTTPError as refused:
            error = f"HTTP {refused.code}"
            refused.close()
        except (http.client.InvalidURL, ValueError) as wrong:
            # Its text repeats the path, which is the secret.
            return f"its URL cannot be used ({type(wrong).__name__})"
        except http.client.HTTPException as odd:
            error = f"it does not answer as a web server does ({type(odd).__name__})"
        except OSError as failure:
            error = str(getattr(failure, "reason", "")) or type(failure).__name__
        else:
            return ""
    return error
