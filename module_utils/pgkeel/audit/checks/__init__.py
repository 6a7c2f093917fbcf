"""Every check of the audit. A new module of checks is imported and listed here, once."""

from __future__ import annotations

from ..registry import Check, collect
from . import (
    authentication,
    capacity,
    configuration,
    configuration_files,
    declared,
    durability,
    index_coverage,
    index_waste,
    integrity,
    privileges,
    replication,
    routines,
    sessions,
    statement_statistics,
    statements,
    vacuum,
    workload,
    wraparound,
)

ALL: tuple[Check, ...] = collect(
    authentication,
    capacity,
    configuration,
    configuration_files,
    declared,
    durability,
    index_coverage,
    index_waste,
    integrity,
    privileges,
    replication,
    routines,
    sessions,
    statement_statistics,
    statements,
    vacuum,
    workload,
    wraparound,
)
