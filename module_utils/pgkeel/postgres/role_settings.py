"""Which settings a role can have, before there is a server to ask."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from ..errors import PgkeelError

# guc_tables.c has them, and pg_settings does not show them or their old names.
UNSHOWN = frozenset({"role", "seed", "session_authorization", "sort_mem", "vacuum_mem"})
# Contexts of settings that are one for the whole server.
OF_THE_SERVER = frozenset({"internal", "postmaster", "sighup"})


def refuse_bad_names(names: Iterable[str], known: Mapping[str, str]) -> None:
    """Raise PgkeelError for the first of ``names`` that ALTER ROLE would refuse.

    ``known`` are the contexts of PostgreSQL's own settings by name, as pg_settings has them. A name with a dot is a library's or
    an application's own, and passes.
    """
    contexts = {name.lower(): context for name, context in known.items()}
    for given in names:
        name = given.lower()
        if "." in name or name in UNSHOWN:
            continue
        if name not in contexts:
            near = difflib.get_close_matches(name, contexts, n=1, cutoff=0.6)
            cure = f"Did you mean {near[0]}" if near else "See pg_settings for the names that it has"
            raise PgkeelError(
                f"A role is to have the setting {given!r}, and PostgreSQL has none of that name", f"{cure}; nothing was changed"
            )
        if contexts[name] in OF_THE_SERVER:
            raise PgkeelError(
                f"A role is to have the setting {given!r}, which is one for the whole server",
                "Set it in postgresql_settings, or remove it; nothing was changed",
            )
