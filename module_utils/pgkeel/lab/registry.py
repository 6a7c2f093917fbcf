"""The labs of this machine: checks before one goes up, and the clearing away of labs whose checkout is gone."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import PgkeelError
from .identity import STATE_ROOT, Lab, describe_lab
from .kernel import interface_exists, mounts_below, processes_with
from .network import check_subnet_is_free, remains, remove_network
from .server import remove_server, server_names
from .store import remove_store, store_answers, store_runs

_NEEDED_BYTES = 4 * 2**30
"""A base system of 0.4 GB, a server with PostgreSQL and the demo's data, its backups in the store."""


def check_machine(lab: Lab) -> None:
    """Refuse a machine on which the lab cannot work, before anything is changed.

    Raises PgkeelError: not root, overlay mounts not supported, too little disk.
    """
    if os.geteuid() != 0:
        raise PgkeelError(
            "The lab makes network namespaces, mounts and a booted server, and only root may",
            "Run it as root: `sudo make lab-up`",
        )
    if "overlay" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        raise PgkeelError("This kernel has no overlay file system loaded", "Load it: `modprobe overlay`")
    for folder in (STATE_ROOT, lab.cache):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(existing).free
        if free < _NEEDED_BYTES:
            raise PgkeelError(
                f"Only {free / 2**30:.1f} GiB are free below {existing}, and the lab needs {_NEEDED_BYTES / 2**30:.0f} GiB",
                "Free some space, or move the cache with XDG_CACHE_HOME",
            )


def check_network(lab: Lab) -> None:
    """Refuse an address range in use; needs the `ip` program."""
    check_subnet_is_free(lab)


def lab_is_up(lab: Lab) -> bool:
    """Whether network and store are there; looks only."""
    return interface_exists(lab.bridge) and store_answers(lab)


@contextmanager
def locked(lab: Lab) -> Iterator[None]:
    """Hold the machine's lab lock: two runs of one checkout, or two checkouts sharing a cache, take turns."""
    STATE_ROOT.mkdir(mode=0o755, exist_ok=True)
    with (STATE_ROOT / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        lab.state.mkdir(mode=0o700, exist_ok=True)
        (lab.state / "checkout").write_text(f"{lab.checkout}\n{lab.subnet}\n")
        yield


def remove_lab(lab: Lab) -> bool:
    """Take down everything of a lab; True if there was anything.

    Raises PgkeelError naming what could not be removed.
    """
    changed = False
    for name in server_names(lab):
        changed |= remove_server(lab, name)
    changed |= remove_store(lab)
    changed |= remove_network(lab)
    if lab.state.exists():
        shutil.rmtree(lab.state)
    left = remains(lab) + [f"mount {point}" for point in mounts_below(lab.state)]
    left += ["the object store's process"] if store_runs(lab) else []
    for name in server_names(lab):
        left += [f"process {pid}" for pid in processes_with(f"--machine={lab.namespace(name)}")]
    if left:
        raise PgkeelError(f"Of the lab there is still: {', '.join(left)}", "Run `make lab-down` again, or remove it by hand")
    return changed


def remove_orphans(lab: Lab) -> list[str]:
    """Take down the labs whose checkout no longer exists; returns those checkouts."""
    gone = []
    for record in STATE_ROOT.glob("*/checkout"):
        checkout, subnet = record.read_text().split("\n")[:2]
        if record.parent != lab.state and not Path(checkout).exists():
            remove_lab(describe_lab(checkout, subnet))
            gone.append(checkout)
    return gone
