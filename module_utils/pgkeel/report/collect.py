"""The documents of a server beside those of the controller: of each the newer one counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from ..errors import PgkeelError
from .freshness import moment

COLLECTED = ("site", "audit", "backup", "drill", "workload", "load")
"""Names of the documents that scheduled jobs leave on a server."""


def newer_documents(folder: Path, fetched: Mapping[str, str]) -> dict[str, str]:
    """Those of the server's documents, as JSON by name, that finished after the controller's in ``folder``, or are alone.

    A document without a time is older than one with a time; of two equal ones the controller's stays.
    Raises PgkeelError when one of them cannot be read, or when a name is none of ``COLLECTED``.
    """
    unknown = sorted(set(fetched) - set(COLLECTED))
    if unknown:
        raise PgkeelError(f"No server has a document {unknown[0]!r} for the report", f"Fetch only {', '.join(COLLECTED)}")
    newer = {}
    for name, text in fetched.items():
        theirs = _finished(text, f"the server's {name}.json", name)
        path = folder / f"{name}.json"
        try:
            own = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            newer[name] = text
            continue
        except (OSError, ValueError) as error:
            raise PgkeelError(f"{path} cannot be read: {error}", "Mend or remove the file") from error
        ours = _finished(own, str(path), name)
        if theirs and (ours is None or theirs > ours):
            newer[name] = text
    return newer


def _finished(text: str, where: str, name: str) -> datetime | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PgkeelError(
            f"{where} cannot be read as JSON: {error}", f"Run the playbook that writes {name}.json again, or remove the file"
        ) from error
    if not isinstance(document, Mapping):
        raise PgkeelError(f"{where} is not a mapping", f"Run the playbook that writes {name}.json again")
    return moment(document, "finished", where)
