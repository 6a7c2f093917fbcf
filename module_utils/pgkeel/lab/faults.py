"""Failures of a store on demand: which request fails, and how."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from .strictness import Asked

KINDS = (
    "timeout",  # no answer
    "reset",  # the connection breaks before the store hears of it
    "lost_answer",  # the store does it, and then the connection breaks
    "short_body",  # half of the object, and the connection breaks
    "wrong_bytes",  # one bit of the body is another, either way
    "429",
    "500",
    "503",
    "507",
    "403",
)


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and where."""

    kind: str
    prefix: str
    """Of the keys it is about: other tests go on undisturbed."""
    operation: str = ""
    """Empty: any."""
    position: int = 1
    """The how manieth such request is the first to fail, counted from 1."""
    times: int = 1
    """How many in a row; 0 for all from there on."""


@dataclass
class Faults:
    """The faults that are set, and what was asked since."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _set: list[tuple[Fault, list[int]]] = field(default_factory=list)
    _seen: list[tuple[str, str]] = field(default_factory=list)
    skew: float = 0.0
    """Seconds by which the store's ``Date`` is wrong."""

    def configure(self, wanted: list[dict[str, Any]]) -> None:
        """Replace the faults of the prefixes named; a kind of ``none`` clears. Forgets what was asked there."""
        prefixes = tuple(str(entry["prefix"]) for entry in wanted)
        with self._lock:
            self._set = [(fault, count) for fault, count in self._set if fault.prefix not in prefixes]
            self._set += [(Fault(**entry), [0]) for entry in wanted if entry["kind"] != "none"]
            self._seen = [(operation, key) for operation, key in self._seen if not key.startswith(prefixes)]

    def seen(self, prefix: str) -> list[str]:
        """The operations asked for below a prefix, in order."""
        with self._lock:
            return [operation for operation, key in self._seen if key.startswith(prefix)]

    def strike(self, asked: Asked) -> str:
        """The kind of fault that hits this request; empty for none."""
        with self._lock:
            self._seen.append((asked.operation, asked.where))
            for fault, count in self._set:
                if asked.where.startswith(fault.prefix) and fault.operation in {"", asked.operation}:
                    count[0] += 1
                    if count[0] >= fault.position and (not fault.times or count[0] < fault.position + fault.times):
                        return fault.kind
        return ""
