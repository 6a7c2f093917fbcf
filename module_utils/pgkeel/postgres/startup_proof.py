"""Proof that PostgreSQL starts with a configuration, before production is restarted with it.

A throwaway cluster is started with production's own settings, the new ones included, on a private socket. What it shows is
compared with the memory of the machine, since Linux hands out memory that it does not have and ends processes later.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from ..errors import PgkeelError
from .connect import connect
from .proving_ground import Ground, proving_ground
from .settings import BOOLEANS, BYTES, canonical, check
from .settings_server import Server, read_server

MIB = 1024 * 1024
# A server whose shared memory is nearly all there is has none left for its sessions and the kernel.
SHARED_MEMORY_SHARE = 0.8
TLS_FILES = ("ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file", "ssl_dh_params_file")


def read_memory(meminfo: Path = Path("/proc/meminfo")) -> dict[str, int]:
    """What the kernel says of memory, by its names: ``MemTotal`` and the like in bytes, ``HugePages_*`` as counts."""
    figures = {}
    for line in meminfo.read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        value = rest.split()
        figures[name] = int(value[0]) * (1024 if value[1:] == ["kB"] else 1)
    return figures


def refuse_too_much_memory(server: Server, settings: Mapping[str, str], memory: Mapping[str, int]) -> None:
    """Raise PgkeelError where ``shared_buffers`` alone is more than the machine can give. Needs no cluster."""
    setting = server.settings.get("shared_buffers")
    if setting is None or "shared_buffers" not in settings:
        return
    try:
        wanted = int(canonical(setting, settings["shared_buffers"])) * 8 * BYTES["kB"]
    except ValueError as error:
        raise PgkeelError(
            f"The configuration files say shared_buffers = {settings['shared_buffers']!r}: {error}",
            "Correct that line; nothing was changed",
        ) from error
    _refuse_share(wanted, memory["MemTotal"], f"shared_buffers is {settings['shared_buffers']}")


def prove_startup(
    server: Server, settings: Mapping[str, str], base_dir: Path, bin_dir: Path, *, declared: Mapping[str, str] | None = None
) -> None:
    """Start a throwaway cluster with ``settings``, every line that the configuration files would come to.

    ``declared`` are those of them that the inventory asks for. Runs as the server's own system user. Raises PgkeelError when it
    does not start, takes more memory than there is, or a preloaded library does not take a declared setting.
    """
    memory = read_memory()
    refuse_too_much_memory(server, settings, memory)
    segment = server.settings.get("wal_segment_size")
    ground = Ground(
        base_dir=base_dir,
        bin_dir=bin_dir,
        settings=_for_another_folder(server, settings),
        wal_segment_mb=int(segment.value) // MIB if segment else 16,
        faithful=True,
    )
    try:
        with proving_ground(ground) as running, connect(running.login()) as session:
            row = session.execute(
                "SELECT current_setting('shared_memory_size_in_huge_pages')::bigint, setting::bigint"
                " FROM pg_settings WHERE name = 'shared_memory_size'"
            ).fetchone()
            loaded = read_server(session)
    except PgkeelError as error:
        raise PgkeelError(
            f"PostgreSQL would not start with the new settings. {error.cause}",
            "Production runs on untouched; correct the setting and run again",
        ) from error
    refuse_library_settings(loaded, declared or {})
    huge, megabytes = row if row else (0, 0)
    _refuse_share(megabytes * MIB, memory["MemTotal"], f"The server's shared memory would be {megabytes} MB")
    if insists_on_huge_pages(settings):
        _refuse_huge_pages(server, huge, memory)


def insists_on_huge_pages(settings: Mapping[str, str]) -> bool:
    """Whether a start fails without them, in whichever spelling of ``on``."""
    return BOOLEANS.get(settings.get("huge_pages", "").strip().lower(), False)


def refuse_library_settings(loaded: Server, declared: Mapping[str, str]) -> None:
    """Raise PgkeelError for a declared setting that its library, once ``loaded`` in the throwaway cluster, does not take.

    A server starts all the same: it warns in its log, and drops the setting or keeps the default.
    """
    libraries = {name.partition(".")[0] for name, setting in loaded.settings.items() if "." in name and not setting.placeholder}
    for name, text in declared.items():
        prefix, dot, _ = name.partition(".")
        if not dot or prefix not in libraries:
            continue
        setting = loaded.settings.get(name)
        if setting is None or setting.placeholder:
            known = [other for other, setting in loaded.settings.items() if not setting.placeholder]
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            cure = f"Did you mean {near[0]}" if near else "Remove it"
            raise PgkeelError(f"The library {prefix} has no setting {name!r}; nothing was changed", cure)
        check(setting, text)


def _refuse_share(wanted: float, total: int, what: str) -> None:
    if wanted > total * SHARED_MEMORY_SHARE:
        raise PgkeelError(
            f"{what}, and this machine has {total // MIB} MB of memory",
            f"Stay below {int(total * SHARED_MEMORY_SHARE) // MIB} MB; a quarter of the memory suits most; nothing was changed",
        )


def _refuse_huge_pages(server: Server, needed: int, memory: Mapping[str, int]) -> None:
    status = server.settings.get("huge_pages_status")
    held = server.settings.get("shared_memory_size_in_huge_pages")
    ours = int(held.value) if status and held and status.value == "on" else 0
    free = memory.get("HugePages_Free", 0) - memory.get("HugePages_Rsvd", 0) + ours
    if needed > free:
        raise PgkeelError(
            f"huge_pages is on and needs {needed} huge pages, and {free} are to be had, so that PostgreSQL would not start",
            f"Set the sysctl vm.nr_hugepages to at least {needed}, or huge_pages to try; nothing was changed",
        )


def _for_another_folder(server: Server, settings: Mapping[str, str]) -> dict[str, str]:
    """Without what ties the settings to production's folders, and with paths that are relative to its data made absolute."""
    result = {
        name: value for name, value in settings.items() if name not in {"data_directory", "hba_file", "ident_file", "config_file"}
    }
    data = server.settings.get("data_directory")
    for name in TLS_FILES:
        setting = server.settings.get(name)
        value = settings.get(name, setting.default if setting else "")
        if value and data and not value.startswith("/"):
            result[name] = f"{data.value}/{value}"
    return result
