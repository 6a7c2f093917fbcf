"""The machine that figures are from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import TupleRow

SETTINGS = (
    "shared_buffers",
    "work_mem",
    "effective_cache_size",
    "max_parallel_workers_per_gather",
    "random_page_cost",
    "fsync",
    "jit",
)


def describe(connection: psycopg.Connection[TupleRow]) -> dict[str, Any]:
    """Cores, memory in bytes, processor, kernel and PostgreSQL's version and settings. Names no host."""
    rows = connection.execute("SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name", [list(SETTINGS)]).fetchall()
    version = connection.execute("SELECT current_setting('server_version')").fetchone()
    return {
        "cores": os.cpu_count() or 1,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "processor": _processor(Path("/proc/cpuinfo")),
        "kernel": os.uname().release,
        "postgresql": version[0] if version else "",
        "settings": dict(rows),
    }


def _processor(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
