"""What a new, empty database lacks of its declaration: the rows that roles/database/files/survey.sql has for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, str]


def lacks_of_new(declared: Mapping[str, Any]) -> dict[str, list[Row]]:
    """By database, ``postgres`` first: what a new server lacks once its roles and databases are made.

    ``declared`` has ``extensions`` for every database, ``databases`` (name, owner, extensions), ``members`` (group by role),
    ``readers`` and ``writers`` (names of roles).
    """
    members = [{"what": "membership", "subject": f"{role} in {group}"} for role, group in declared["members"].items()]
    result = {"postgres": _extensions(declared["extensions"]) + members}
    for database in declared["databases"]:
        name, owner = database["name"], database.get("owner", "postgres")
        helpers = [role for role in declared["writers"] if role != owner]
        result[name] = [
            *_extensions([*declared["extensions"], *database.get("extensions", [])]),
            *members,
            {"what": "open to everybody", "subject": name},
            *({"what": "future tables", "subject": f"{role} of {owner}"} for role in [*declared["readers"], *helpers]),
        ]
    return result


def _extensions(names: Sequence[str]) -> list[Row]:
    # Every database has this one from the start.
    return [{"what": "extension", "subject": name} for name in dict.fromkeys(names) if name != "plpgsql"]
