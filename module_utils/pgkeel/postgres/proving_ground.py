"""A throwaway PostgreSQL cluster, on which a backup is restored or an index is tried.

It listens on a private socket only, yields CPU and disk to production, gives up durability for speed, archives nothing, and is
always removed: at the end, after an exception or a signal, and, if its run was killed, at the next start.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from ..errors import PgkeelError
from .arguments import DEFAULT_BIN_DIR
from .connect import Login, connect
from .give_way import NICENESS
from .ground_folder import MIB, PORT, STOP_SECONDS, claimed_folder
from .interruption import InterruptedRunError, uninterrupted

START_SECONDS = 60.0
# What a faithful cluster must not take from production: its folders and files, its archive, its schedulers and its log.
# Whether archiving goes with wal_level is proved with archive_mode as it is: without a command nothing is archived.
FAITHFUL: Mapping[str, str] = {
    "external_pid_file": "",
    "unix_socket_group": "",
    "archive_command": "",
    "archive_library": "",
    "synchronous_standby_names": "",
    "primary_conninfo": "",
    "cron.launch_active_jobs": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "huge_pages": "off",
    "autovacuum": "off",
    "fsync": "off",
}
# What a session could have otherwise, of what is written in postgresql.conf.
OWN_SETTINGS = """
SELECT f.name, f.setting
FROM pg_catalog.pg_file_settings f
JOIN pg_catalog.pg_settings s ON s.name = f.name
WHERE f.applied AND s.context IN ('user', 'superuser')
"""
# Beside the data: the write-ahead log before its checkpoint and what initdb makes.
BASE_BYTES = 128 * MIB


@dataclass(frozen=True)
class Locale:
    """A database's encoding and collation, as pg_database has them."""

    encoding: str = "UTF8"
    provider: str = "libc"
    """``libc``, ``icu`` or ``builtin``."""
    collate: str = "C"
    ctype: str = "C"
    locale: str = ""
    """Of the provider, where it is not libc."""
    icu_rules: str = ""


@dataclass(frozen=True)
class Ground:
    """What the cluster shall be."""

    base_dir: Path
    """Every ground is a folder below it; nothing else may live there."""
    bin_dir: Path = Path(DEFAULT_BIN_DIR)
    superuser: str = "postgres"
    locale: Locale = Locale()
    preload_libraries: tuple[str, ...] = ()
    """As production has them; those that are not installed here are left out."""
    shared_buffers: str = "128MB"
    maintenance_work_mem: str = "128MB"
    max_wal_size: str = "2GB"
    niceness: int = NICENESS
    settings: Mapping[str, str] = field(default_factory=dict)
    """More settings; they cannot undo what keeps the cluster private and harmless."""
    wal_segment_mb: int = 16
    faithful: bool = False
    """Run with ``settings`` as they are, production's own, beside what keeps the cluster private; libraries included."""


@dataclass(frozen=True)
class ProvingGround:
    """A running cluster."""

    folder: Path
    socket_dir: Path
    superuser: str
    skipped_libraries: tuple[str, ...]
    """Of those asked for, the ones that are not installed here."""
    _postmaster: subprocess.Popen[bytes] = field(repr=False)

    def login(self, database: str = "postgres") -> Login:
        """How to connect to it."""
        return Login(host=str(self.socket_dir), port=PORT, user=self.superuser, database=database)

    def copy_of(self, database: str) -> str:
        """What the restored database is called here."""
        return database

    @property
    def alive(self) -> bool:
        """Whether its postmaster runs."""
        return self._postmaster.poll() is None

    def log_tail(self, lines: int = 5) -> str:
        """The last lines of the server log."""
        return _tail(self.folder / "log", lines)


@contextmanager
def proving_ground(ground: Ground) -> Iterator[ProvingGround]:
    """Start the cluster; it is gone when the context ends.

    Raises PgkeelError when it cannot be started, or the base directory is not ours.
    """
    _require_programs(ground.bin_dir)
    with claimed_folder(ground.base_dir) as folder:
        postmaster: subprocess.Popen[bytes] | None = None
        try:
            _initialise(ground, folder)
            skipped = _configure(ground, folder)
            postmaster = _start(ground, folder)
            running = ProvingGround(folder, folder / "s", ground.superuser, skipped, postmaster)
            _await(running, faithful=ground.faithful)
            yield running
        finally:
            with uninterrupted():
                _stop(postmaster)


def _require_programs(bin_dir: Path) -> None:
    for program in ("initdb", "postgres"):
        if not os.access(bin_dir / program, os.X_OK):
            raise PgkeelError(
                f"{bin_dir / program} is missing", "Install the PostgreSQL server package, or correct the bin directory"
            )


def _initialise(ground: Ground, folder: Path) -> None:
    locale = ground.locale
    command = [
        str(ground.bin_dir / "initdb"),
        f"--pgdata={folder / 'data'}",
        f"--username={ground.superuser}",
        # Only this OS user and root can reach the socket: its folder has mode 0700, and there is no other way in.
        "--auth-local=trust",
        "--auth-host=reject",
        "--no-sync",
        "--no-instructions",
        f"--encoding={locale.encoding}",
        f"--locale-provider={locale.provider}",
        f"--lc-collate={locale.collate}",
        f"--lc-ctype={locale.ctype}",
        "--lc-messages=C",
        f"--wal-segsize={ground.wal_segment_mb}",
    ]
    if locale.provider == "icu":
        command += [f"--icu-locale={locale.locale}", *([f"--icu-rules={locale.icu_rules}"] if locale.icu_rules else [])]
    elif locale.provider == "builtin":
        command += [f"--builtin-locale={locale.locale}"]
    done = subprocess.run(
        yielding(ground.niceness, command), env=clean_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PgkeelError(
            f"initdb could not make a cluster in {folder}: {_last_line(done.stderr)}",
            "Check the disk there, and that production's locale exists on this server (locale -a)",
        )


def _configure(ground: Ground, folder: Path) -> tuple[str, ...]:
    """Write the settings; returns the preload libraries that were left out because they are not installed."""
    if ground.faithful:
        _write_settings(folder, {**ground.settings, **_private(folder), **FAITHFUL})
        return ()
    library_dir = subprocess.run(
        [str(ground.bin_dir / "pg_config"), "--pkglibdir"], env=clean_environment(), capture_output=True, text=True, check=False
    ).stdout.strip()
    installed = [name for name in ground.preload_libraries if library_dir and Path(library_dir, f"{name}.so").is_file()]
    settings = {
        "shared_buffers": ground.shared_buffers,
        "maintenance_work_mem": ground.maintenance_work_mem,
        "max_wal_size": ground.max_wal_size,
        "checkpoint_timeout": "1h",
        "max_connections": "20",
        "max_locks_per_transaction": "512",
        "lc_messages": "C",
        # A scheduler in a restored copy must not start production's jobs.
        "cron.launch_active_jobs": "off",
        **ground.settings,
        **_private(folder),
        "shared_preload_libraries": ",".join(installed),
        "archive_mode": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_logical_replication_workers": "0",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "autovacuum": "off",
        "logging_collector": "off",
        "log_destination": "stderr",
        "ssl": "off",
    }
    _write_settings(folder, settings)
    return tuple(name for name in ground.preload_libraries if name not in installed)


def _private(folder: Path) -> dict[str, str]:
    """Reached by this OS user alone."""
    return {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": str(folder / "s"),
        "unix_socket_permissions": "0700",
    }


def _write_settings(folder: Path, settings: Mapping[str, str]) -> None:
    lines = [f"{name} = '{_quoted(value)}'\n" for name, value in settings.items()]
    (folder / "data" / "postgresql.conf").write_text("".join(lines), encoding="utf-8")


def _quoted(value: str) -> str:
    if "\n" in value:
        raise PgkeelError(f"The setting {value!r} contains a line break", "Remove it")
    return value.replace("\\", "\\\\").replace("'", "''")


def _start(ground: Ground, folder: Path) -> subprocess.Popen[bytes]:
    command = [str(ground.bin_dir / "postgres"), "-D", str(folder / "data")]
    if shutil.which("setpriv"):
        # Should this process be killed, the kernel tells the postmaster to quit at once.
        command = ["setpriv", "--pdeathsig", "QUIT", *command]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            yielding(ground.niceness, command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=clean_environment(),
            # A Ctrl-C at the terminal is for the run, which then stops the server in good order.
            start_new_session=True,
        )


def _await(running: ProvingGround, *, faithful: bool) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if not running.alive:
            raise PgkeelError(
                f"The throwaway server did not start: {_fatal_line(running.log_tail(40))}",
                "Check free memory and disk, and that the preload libraries fit this PostgreSQL",
            )
        try:
            with connect(running.login()) as session:
                row = session.execute(
                    "SELECT current_setting('archive_mode'), current_setting('listen_addresses'), current_setting('fsync')"
                ).fetchone()
        except InterruptedRunError:
            raise
        except PgkeelError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
            continue
        if row is None or row[1:] != ("", "off") or not (faithful or row[0] == "off"):
            raise PgkeelError(
                f"The throwaway server runs with archive_mode, listen_addresses and fsync {row}, which is not harmless",
                "Remove whatever overrides them",
            )
        return


def _stop(postmaster: subprocess.Popen[bytes] | None) -> None:
    if postmaster is None:
        return
    # Immediate shutdown: nothing in it is to be kept.
    for number in (signal.SIGQUIT, signal.SIGKILL):
        postmaster.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            postmaster.wait(timeout=STOP_SECONDS)
            return


def yielding(niceness: int, command: list[str]) -> list[str]:
    """The command, giving way to production in CPU and disk as far as the programs for that are here."""
    prefix: list[str] = []
    # Children start with this process's own niceness.
    more = niceness - os.getpriority(os.PRIO_PROCESS, 0)
    if more > 0 and shutil.which("nice"):
        prefix += ["nice", "-n", str(more)]
    if niceness > 0 and shutil.which("ionice"):
        # Idle class; -t: go on where the kernel does not allow it.
        prefix += ["ionice", "-t", "-c", "3"]
    return prefix + command


def dying_with_us(command: list[str]) -> list[str]:
    """The command, killed by the kernel should this process be: a restore whose run is gone must not go on."""
    return ["setpriv", "--pdeathsig", "KILL", *command] if shutil.which("setpriv") else command


def clean_environment() -> dict[str, str]:
    """Without PG*, which could lead a program to production, and with messages in English."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _tail(file: Path, lines: int) -> str:
    try:
        with file.open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - 16384))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def _fatal_line(log: str) -> str:
    """What a postmaster died of, with its detail: the lines after it only say that it is gone."""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if "FATAL:" in line or "PANIC:" in line:
            more = [later.partition(": ")[2] or later for later in lines[number + 1 : number + 3] if "DETAIL:" in later]
            return " ".join([line, *more])[line.find("FATAL:") if "FATAL:" in line else 0 :][:500]
    return _last_line(log)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:500] if lines else "it said nothing"


def create_database(running: ProvingGround, name: str, locale: Locale) -> None:
    """Create an empty database with that encoding and collation, in which the cluster's own settings hold for its superuser.

    To be called before roles are restored: what production sets for one (ALTER ROLE ... SET statement_timeout) would otherwise
    hold for this session too. Raises PgkeelError.
    """
    try:
        # initdb makes two of its own, which a server may hold data in all the same.
        with connect(running.login("template1" if name == "postgres" else "postgres")) as session:
            if name in {"postgres", "template1"}:
                database = psycopg.sql.Identifier(name)
                session.execute(psycopg.sql.SQL("ALTER DATABASE {} WITH IS_TEMPLATE false").format(database))
                session.execute(psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
            session.execute(creation_of(name, locale))
            for setting, value in session.execute(OWN_SETTINGS).fetchall():
                # The most specific kind: that of a role, restored later, does not reach its sessions there.
                session.execute(
                    psycopg.sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                        psycopg.sql.Identifier(running.superuser),
                        psycopg.sql.Identifier(name),
                        psycopg.sql.Identifier(setting),
                        psycopg.sql.Literal(value),
                    )
                )
    except psycopg.Error as error:
        raise PgkeelError(
            f"The database {name!r} could not be created on the throwaway server: {_last_line(str(error))}",
            "Check the disk there, and that production's locale exists on this server",
        ) from error


def creation_of(name: str, locale: Locale) -> psycopg.sql.Composed:
    """CREATE DATABASE with that encoding and collation, empty; options may follow."""
    parts: list[psycopg.sql.Composable] = [
        psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LOCALE_PROVIDER {} LC_COLLATE {} LC_CTYPE {}").format(
            psycopg.sql.Identifier(name),
            psycopg.sql.Literal(locale.encoding),
            psycopg.sql.Identifier(locale.provider),
            psycopg.sql.Literal(locale.collate),
            psycopg.sql.Literal(locale.ctype),
        )
    ]
    if locale.provider != "libc":
        word = {"icu": "ICU_LOCALE", "builtin": "BUILTIN_LOCALE"}[locale.provider]
        parts.append(psycopg.sql.SQL(f" {word} {{}}").format(psycopg.sql.Literal(locale.locale)))
    if locale.icu_rules:
        parts.append(psycopg.sql.SQL(" ICU_RULES {}").format(psycopg.sql.Literal(locale.icu_rules)))
    return psycopg.sql.Composed(parts)
