"""The connection arguments of every module that talks to PostgreSQL.

Apart from the connection itself, and without a third-party import: a module that cannot import psycopg must still know which of
its arguments are secret, or Ansible would print them.
"""

from __future__ import annotations

from typing import Any

DEFAULT_BIN_DIR = "/usr/lib/postgresql/17/bin"
"""Where Debian's and PGDG's packages put the server's programs."""

# Documented in plugins/doc_fragments/pgkeel_connection.py.
CONNECTION_ARGUMENTS: dict[str, dict[str, Any]] = {
    "login_host": {"type": "str", "default": ""},
    "login_unix_socket": {"type": "str", "default": ""},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str", "default": "postgres"},
    "login_password": {"type": "str", "default": "", "no_log": True},
    "login_db": {"type": "str", "default": "postgres"},
}
