"""Connecting to PostgreSQL, with errors an operator can act on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import TupleRow

from ..errors import PgkeelError


@dataclass(frozen=True)
class Login:
    """Where and as whom to connect; an empty host means the local socket."""

    host: str = ""
    port: int = 5432
    user: str = "postgres"
    password: str = field(default="", repr=False)
    database: str = "postgres"
    connect_timeout: int = 10
    """Seconds."""

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> Login:
        """Take the ``login_*`` arguments of a module; other keys are ignored."""
        return cls(
            host=arguments.get("login_host") or arguments.get("login_unix_socket") or "",
            port=int(arguments.get("login_port") or 5432),
            user=arguments.get("login_user") or "postgres",
            password=arguments.get("login_password") or "",
            database=arguments.get("login_db") or "postgres",
        )

    def describe(self) -> str:
        """The target in words, without the password."""
        where = f"{self.host}:{self.port}" if self.host else f"the local socket, port {self.port}"
        return f"database {self.database!r} as {self.user!r} on {where}"


def connect(login: Login, *, autocommit: bool = True, application_name: str = "pgkeel") -> psycopg.Connection[TupleRow]:
    """Open a connection, which the caller closes: use it as a context manager.

    Raises PgkeelError when the server cannot be reached or refuses the login.
    """
    parameters: dict[str, Any] = {
        "port": login.port,
        "user": login.user,
        "dbname": login.database,
        "connect_timeout": login.connect_timeout,
        "application_name": application_name,
        # Left to the server it may be SQL_ASCII, of which psycopg gives bytes instead of text.
        "client_encoding": "UTF8",
    }
    if login.host:
        parameters["host"] = login.host
    if login.password:
        parameters["password"] = login.password
    try:
        connection = psycopg.connect(autocommit=True, **parameters)
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            # Such a database takes any bytes and refuses to send what is no UTF-8. In Latin 1 every byte is a character: nothing
            # is lost on the way to us and back, though a name that is UTF-8 looks odd here.
            connection.execute("SET client_encoding TO 'LATIN1'")
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else "no reason given"
        raise PgkeelError(
            f"Cannot connect to {login.describe()}: {reason}",
            "Check that PostgreSQL runs there, that name, port and password are right, and that pg_hba.conf admits this login",
        ) from error
    connection.autocommit = autocommit
    return connection
