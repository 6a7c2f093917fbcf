"""Who gets in, and how they prove who they are. Verifiers are compared on the spot and never shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

from ...postgres.catalog import quoted
from ...report.finding import Finding, Level, Priority
from ..context import Context, Row
from ..registry import Need, check

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost", "samehost"})


def _hba(context: Context) -> list[Row]:
    return context.rows(
        """
        SELECT file_name AS file, line_number AS line, coalesce(type, '') AS type, coalesce(database, '{}') AS databases,
               coalesce(user_name, '{}') AS roles, coalesce(address, '') AS address, coalesce(netmask, '') AS netmask,
               coalesce(auth_method, '') AS method, error
          FROM pg_hba_file_rules ORDER BY rule_number NULLS LAST, line_number
        """
    )


def _describe(rule: Row) -> str:
    # Not the line number: it moves with every edit, and the finding would look new.
    address = rule["address"] + (f"/{rule['netmask']}" if rule["netmask"] else "")
    words = [rule["type"], ",".join(rule["databases"]), ",".join(rule["roles"]), address, rule["method"]]
    return "pg_hba.conf: " + " ".join(word for word in words if word)


@check(
    "S01",
    "Nobody gets in without proof",
    why="With the method trust whoever reaches the port is whoever they say they are, superuser included.",
    priority=Priority.P0,
)
def trust(context: Context) -> Iterable[Finding]:
    """Lines of pg_hba.conf with the method trust."""
    for rule in _hba(context):
        if rule["method"] != "trust":
            continue
        remote = rule["type"] != "local" and rule["address"] not in LOOPBACK
        yield Finding(
            id="S01",
            priority=Priority.P0 if remote else Priority.P1,
            subject=_describe(rule),
            summary=(
                f"Line {rule['line']} of pg_hba.conf lets "
                f"{'other machines' if remote else 'every process on the server'} in unproved."
            ),
            evidence={"file": rule["file"], "line": rule["line"], "type": rule["type"], "address": rule["address"]},
            remedy="Use peer on local lines and scram-sha-256 on host lines; then SELECT pg_reload_conf();",
            risk=Level.MEDIUM,
        )


@check(
    "S02",
    "Passwords are proved with SCRAM",
    why="md5 can be replayed from what the server stores, and the method password sends it in the clear.",
    priority=Priority.P1,
)
def weak_methods(context: Context) -> Iterable[Finding]:
    """Lines of pg_hba.conf with a weaker password method."""
    for rule in _hba(context):
        if rule["method"] not in {"md5", "password"}:
            continue
        yield Finding(
            id="S02",
            priority=Priority.P1,
            subject=_describe(rule),
            summary=f"Line {rule['line']} of pg_hba.conf accepts the method {rule['method']}.",
            evidence={"file": rule["file"], "line": rule["line"], "method": rule["method"], "address": rule["address"]},
            remedy="Give the roles SCRAM verifiers (S05), then replace the method by scram-sha-256 and reload.",
            risk=Level.MEDIUM,
        )


@check(
    "S03",
    "pg_hba.conf is accepted as it stands",
    why="One bad line makes the server keep the old rules at a reload, and refuse everybody after a restart.",
    priority=Priority.P0,
)
def refused_rules(context: Context) -> Iterable[Finding]:
    """Lines that the server refuses."""
    for rule in _hba(context):
        if rule["error"]:
            yield Finding(
                id="S03",
                priority=Priority.P0,
                subject=f"{rule['file']}: {rule['error']}",
                summary=f"Line {rule['line']} of {rule['file']} is refused: {rule['error']}.",
                evidence={"file": rule["file"], "line": rule["line"], "error": rule["error"]},
                remedy="Correct the line, then SELECT pg_reload_conf(); and look at pg_hba_file_rules again.",
            )


@check(
    "S04",
    "New passwords are stored as SCRAM verifiers",
    why="With md5 every password set from now on is stored in a form that can be replayed.",
    priority=Priority.P1,
)
def password_encryption(context: Context) -> Iterable[Finding]:
    """The setting password_encryption."""
    value = context.setting("password_encryption")
    if value == "scram-sha-256":
        return
    yield Finding(
        id="S04",
        priority=Priority.P1,
        subject="password_encryption",
        summary=f"password_encryption is {value}: new passwords are stored in a weak form.",
        evidence={"password_encryption": value},
        remedy="ALTER SYSTEM RESET password_encryption; SELECT pg_reload_conf(); then set the passwords anew.",
    )


@check(
    "S05",
    "Stored passwords are SCRAM verifiers",
    why="An md5 verifier from a backup or a dump of the roles is enough to log in.",
    priority=Priority.P1,
    needs=(Need.SUPERUSER,),
)
def stored_passwords(context: Context) -> Iterable[Finding]:
    """Login roles whose password is stored as md5."""
    for row in context.rows("SELECT rolname AS role FROM pg_authid WHERE rolcanlogin AND rolpassword LIKE 'md5%' ORDER BY 1"):
        yield Finding(
            id="S05",
            priority=Priority.P1,
            subject=f"role {row['role']}",
            summary=f"The password of role {row['role']} is stored as md5.",
            evidence={"verifier": "md5"},
            remedy=f"Set it anew from psql, which hashes it there: \\password {quoted(row['role'])}",
        )


@check(
    "S14",
    "Passwords are not guessable",
    why="The role's own name, and the word password, are the first that anybody tries.",
    priority=Priority.P0,
    needs=(Need.SUPERUSER,),
)
def guessable_passwords(context: Context) -> Iterable[Finding]:
    """Login roles whose verifier fits one of a few passwords that everybody tries first."""
    for row in context.rows(
        "SELECT rolname AS role, rolpassword AS verifier FROM pg_authid WHERE rolcanlogin AND rolpassword IS NOT NULL ORDER BY 1"
    ):
        candidates = {"the role's name": row["role"], "the word password": "password", "the word postgres": "postgres"}
        for meaning, candidate in candidates.items():
            if fits(row["verifier"], row["role"], candidate):
                yield Finding(
                    id="S14",
                    priority=Priority.P0,
                    subject=f"role {row['role']}",
                    summary=f"The password of role {row['role']} is {meaning}.",
                    evidence={"password_is": meaning},
                    remedy=f"Set a long random one from psql: \\password {quoted(row['role'])}",
                )
                break


def fits(verifier: str, role: str, password: str) -> bool:
    """Whether a stored verifier (``md5…`` or ``SCRAM-SHA-256$…``, RFC 5803) belongs to a password."""
    if verifier.startswith("md5"):
        digest = hashlib.md5((password + role).encode(), usedforsecurity=False).hexdigest()
        return hmac.compare_digest(verifier[3:], digest)
    if not verifier.startswith("SCRAM-SHA-256$"):
        return False
    _, parameters, keys = verifier.split("$")
    iterations, salt = parameters.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    return hmac.compare_digest(base64.b64decode(keys.split(":")[0]), stored)


@check(
    "S09",
    "Connections from elsewhere are encrypted",
    why="Without TLS statements, rows and login exchanges cross the network in the clear.",
    priority=Priority.P1,
)
def encryption(context: Context) -> Iterable[Finding]:
    """TLS is off while the server listens beyond the loopback addresses."""
    listening = [address.strip() for address in context.setting("listen_addresses").split(",") if address.strip()]
    beyond = [address for address in listening if address not in LOOPBACK and not address.startswith("127.")]
    if context.setting("ssl") == "on" or not beyond:
        return
    yield Finding(
        id="S09",
        priority=Priority.P1,
        subject="ssl",
        summary=f"The server listens on {', '.join(beyond)} without TLS.",
        evidence={"ssl": "off", "listen_addresses": listening},
        remedy="Give it a certificate (ssl_cert_file, ssl_key_file), set ssl = on, reload, and use hostssl lines in pg_hba.conf.",
        effort=Level.MEDIUM,
    )
