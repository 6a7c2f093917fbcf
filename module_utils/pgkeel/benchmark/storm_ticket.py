"""What a client of a storm logs in with: SCRAM keys instead of a password.

A login with a password costs the client thousands of hashes, on its own machine. Here the clients share the server's cores, so
the keys that come of these hashes are made once, and libpq 18 takes them; the server and pgbouncer do what they always do.
Source: RFC 5802, section 3; PostgreSQL 18 documentation, 32.1.2 (scram_client_key).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any

import psycopg

from ..errors import PgkeelError
from ..postgres.connect import Login

ITERATIONS = 4096
LEAST_LIBPQ = 180000


@dataclass(frozen=True)
class Keys:
    """Of one password; the verifier is what the server gets."""

    verifier: str
    client_key: str = field(repr=False)
    server_key: str = field(repr=False)


@dataclass(frozen=True)
class Ticket:
    """Where a client goes, and what lets it in."""

    login: Login
    keys: Keys

    def parameters(self) -> dict[str, Any]:
        """For psycopg.connect."""
        return {
            "host": self.login.host,
            "port": self.login.port,
            "user": self.login.user,
            "dbname": self.login.database,
            "connect_timeout": self.login.connect_timeout,
            "scram_client_key": self.keys.client_key,
            "scram_server_key": self.keys.server_key,
        }


def make_keys() -> Keys:
    """Keys of a random password that nobody knows. Raises PgkeelError when libpq cannot log in with keys."""
    if psycopg.pq.version() < LEAST_LIBPQ:
        raise PgkeelError(
            f"A storm needs libpq 18, and psycopg brings {psycopg.pq.version() // 10000}",
            "Let the role toolchain make pgkeel's environment from its lock file",
        )
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", secrets.token_bytes(24), salt, ITERATIONS)
    client_key, server_key = (hmac.digest(salted, text, "sha256") for text in (b"Client Key", b"Server Key"))
    stored_key = hashlib.sha256(client_key).digest()
    shown = {name: base64.b64encode(value).decode() for name, value in {"salt": salt, "stored": stored_key}.items()}
    server = base64.b64encode(server_key).decode()
    return Keys(
        verifier=f"SCRAM-SHA-256${ITERATIONS}:{shown['salt']}${shown['stored']}:{server}",
        client_key=base64.b64encode(client_key).decode(),
        server_key=server,
    )
