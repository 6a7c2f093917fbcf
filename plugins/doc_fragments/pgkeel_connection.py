"""The connection options that every pgkeel module shares."""


class ModuleDocFragment:
    """Options named as in community.postgresql, so that one set of variables serves both."""

    DOCUMENTATION = r"""
options:
  login_host:
    description: Host to connect to; empty means the local Unix socket.
    type: str
    default: ''
  login_unix_socket:
    description: Directory of the Unix socket, where it is not the default one. Ignored with O(login_host).
    type: str
    default: ''
  login_port:
    description: Port to connect to.
    type: int
    default: 5432
  login_user:
    description: Role to connect as.
    type: str
    default: postgres
  login_password:
    description: Password of that role; empty for peer authentication.
    type: str
    default: ''
  login_db:
    description: Database to connect to.
    type: str
    default: postgres
requirements:
  - psycopg >= 3.2
"""

    SOCKET = r"""
options:
  login_unix_socket:
    description: Directory of the Unix socket, where it is not the default one.
    type: str
    default: ''
  login_port:
    description: Port to connect to.
    type: int
    default: 5432
  login_user:
    description: Superuser to connect as.
    type: str
    default: postgres
requirements:
  - psycopg >= 3.2
"""
