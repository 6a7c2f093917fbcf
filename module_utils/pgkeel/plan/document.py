"""The plan: one document of what a run changes, the same before the run and after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..report.humanize import size
from .privileges import lacks_of_new
from .system import changes_system, describe_system, make_system

_POOLER = {"installs": "install", "restarts": "restart", "changed": "change"}
"""What becomes of pgbouncer, by the fact that says so; the strongest first."""
_POOLER_WORDS = {
    "install": "pgbouncer is installed.",
    "restart": "pgbouncer restarts; its clients have to connect again.",
    "change": "pgbouncer's configuration or its lookup of logins changes; nobody is disconnected.",
}
COUNTED = ("settings", "roles", "databases", "privileges", "indexes", "partitions")
BUILT = frozenset({"built", "rebuilt", "repaired", "dropped"})
Plan = dict[str, Any]


def make_document(
    postgresql: Mapping[str, Any],
    database: Mapping[str, Any],
    pgbouncer: Mapping[str, Any],
    around: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """Join what the roles found into a JSON-serialisable mapping.

    ``postgresql`` has ``unknown`` (why the server could not be asked) alone, or ``creates``, ``settings`` (name, old, new,
    needs), ``shadowed``, ``access_rules``, ``policy``, ``restart_now`` and ``reloads`` (files are written or loaded, even with no
    value changed); ``database`` has ``roles`` (changed ones), ``known_roles``, ``databases`` (new ones), ``indexes`` and
    ``partitions`` (by database) and either ``lacks`` (by database) or, for a new server, ``declared``; ``pgbouncer`` has
    ``installs``, ``restarts`` and ``changed``; ``around`` are the facts
    of the other roles, as ``make_system`` takes them. Each may be empty where its role did not run.
    """
    system = make_system({**(around or {}), "postgresql": postgresql, "pgbouncer": pgbouncer})
    settings = list(postgresql.get("settings", []))
    restart = [change["name"] for change in settings if change["needs"] == "restart"]
    reload = [change["name"] for change in settings if change["needs"] == "reload"]
    restart_now = bool(postgresql.get("restart_now"))
    access_rules = bool(postgresql.get("access_rules"))
    plan: Plan = {
        "unknown": str(postgresql.get("unknown", "")),
        "creates_cluster": bool(postgresql.get("creates")),
        "settings": settings,
        "shadowed": list(postgresql.get("shadowed", [])),
        "access_rules": access_rules,
        # The stronger one wins: a restart loads everything that a reload does.
        "action": "restart"
        if restart_now
        else "reload"
        if reload or restart or access_rules or system["certificate"] == "make" or postgresql.get("reloads")
        else "none",
        "restart_policy": postgresql.get("policy", ""),
        "restart_settings": restart,
        "waiting": [] if restart_now else restart,
        "roles": _roles(database),
        "databases": list(database.get("databases", [])),
        "privileges": _privileges(database),
        "indexes": _indexes(database),
        "partitions": _partitions(database),
        "pgbouncer": next((act for fact, act in _POOLER.items() if pgbouncer.get(fact)), "none"),
        **system,
    }
    # What could not be asked is not unchanged.
    parts = ("unknown", "creates_cluster", "access_rules", *COUNTED)
    acts = plan["action"] != "none" or plan["pgbouncer"] != "none"
    plan["empty"] = not any(plan[part] for part in parts) and not acts and not changes_system(system)
    return plan


def _roles(database: Mapping[str, Any]) -> list[dict[str, str]]:
    known = set(database.get("known_roles", []))
    return [{"name": name, "action": "alter" if name in known else "create"} for name in database.get("roles", [])]


def _privileges(database: Mapping[str, Any]) -> list[dict[str, str]]:
    lacks = database.get("lacks") or (lacks_of_new(database["declared"]) if database.get("declared") else {})
    rows = []
    for name, missing in lacks.items():
        for row in missing:
            # What is open to everybody is the database itself; a check asks the template of a database that is not there yet.
            subject = name if row["what"] == "open to everybody" else row["subject"]
            rows.append({"database": name, "what": row["what"], "subject": subject})
    unique = {(row["database"], row["what"], row["subject"]): row for row in rows}
    return [unique[key] for key in sorted(unique)]


def _indexes(database: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "database": name,
            **{key: index[key] for key in ("name", "table", "state", "reason")},
            "bytes": index.get("size_bytes") or index.get("estimated_bytes"),
        }
        for name, indexes in database.get("indexes", {}).items()
        for index in indexes
        if index["state"] in BUILT
    ]


def _partitions(database: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is declared anew, and what is dropped with its rows; that partitions are made ahead of time is no change."""
    return [
        {"database": name, "table": table["name"], "state": table["state"], "drops": table["drops"]}
        for name, tables in database.get("partitions", {}).items()
        for table in tables
        if table["state"] in {"declared", "changed"} or table["drops"]
    ]


def describe(plan: Plan, *, done: bool) -> list[str]:
    """The plan in lines for people; ``done`` puts it in the past."""
    if plan["empty"]:
        return ["Nothing changes." if not done else "Nothing changed."]
    lines = [f"Not known: {plan['unknown']}"] if plan["unknown"] else []
    lines += describe_system(plan)
    lines += ["The server gets a new PostgreSQL cluster."] if plan["creates_cluster"] else []
    for needs in ("restart", "reload"):
        changes = [change for change in plan["settings"] if change["needs"] == needs]
        if changes:
            lines += [f"Settings that need a {needs}:", *(_arrow(change) for change in changes)]
    lines += [f"  {row['name']} stays {row['effective']}: {row['file']} overrides {row['wanted']}" for row in plan["shadowed"]]
    if plan["access_rules"]:
        lines.append("Access rules: pg_hba.conf or pg_ident.conf differs")
    if not plan["unknown"]:
        lines.append(_action(plan, done=done))
    lines += _listed("Roles", [f"{role['action']} {role['name']}" for role in plan["roles"]])
    lines += _listed("Databases", [f"create {name}" for name in plan["databases"]])
    lines += _listed("Extensions and privileges", _grouped(plan["privileges"]))
    lines += _listed("Indexes", [_index(index, done=done) for index in plan["indexes"]])
    lines += _listed("Partitions", [_partitioned(table, done=done) for table in plan["partitions"]])
    if plan["pgbouncer"] != "none":
        lines.append(_POOLER_WORDS[plan["pgbouncer"]])
    return lines


def headlines(plan: Plan) -> list[str]:
    """The plan in a few words, for a reader who wants to know what kind of changes there were."""
    found = [f"{part}: {len(plan[part])}" for part in COUNTED if plan[part]]
    found += ["unknown"] if plan["unknown"] else []
    found += ["access rules"] if plan["access_rules"] else []
    found += [part for part in ("pgbouncer", "environment", "certificate", "firewall") if plan[part] != "none"]
    found += ["schedule"] if any(plan["schedule"].values()) else []
    found += [f"packages {' '.join(plan['packages'])}"] if plan["packages"] else []
    # A file was written that says the same in other words, or one of an interrupted run was loaded.
    return found or ([plan["action"]] if plan["action"] != "none" else [])


def _arrow(change: Mapping[str, Any]) -> str:
    old = "(not known before)" if change["old"] is None else change["old"] or "(empty)"
    return f"  {change['name']}: {old} → {change['new'] or '(empty)'}"


def _action(plan: Plan, *, done: bool) -> str:
    if plan["waiting"]:
        return f"No restart: the policy is {plan['restart_policy']}, so {', '.join(plan['waiting'])} wait for the next one."
    if plan["action"] == "restart":
        return "PostgreSQL was restarted once." if done else "PostgreSQL restarts once; open connections end."
    if plan["action"] == "reload":
        return "PostgreSQL was reloaded." if done else "PostgreSQL reloads; nobody is disconnected."
    return "PostgreSQL was left running." if done else "PostgreSQL is neither restarted nor reloaded."


def _listed(title: str, items: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {item}" for item in items)] if items else []


def _grouped(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """One line a database and kind, for a database of a thousand tables has thousands of privileges."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row["database"], row["what"]), []).append(row["subject"])
    shown = 5
    return [
        f"{database}: {what}: {', '.join(subjects[:shown])}"
        + (f" and {len(subjects) - shown} more" if len(subjects) > shown else "")
        for (database, what), subjects in groups.items()
    ]


def _index(index: Mapping[str, Any], *, done: bool) -> str:
    large = f", {'' if done else 'about '}{size(index['bytes'])}" if index["bytes"] else ""
    return f"{index['state']} {index['database']}: {index['name']} on {index['table']}{large}"


def _partitioned(table: Mapping[str, Any], *, done: bool) -> str:
    state = table["state"] if table["state"] != "maintained" else "keep"
    verb = "dropped" if done else "DROPS"
    rows = f", {verb} with all their rows: {', '.join(table['drops'])}" if table["drops"] else ""
    return f"{state} {table['database']}: {table['table']}{rows}"
