"""The bootstrapped Debian system that every lab server is an overlay of."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..errors import PgkeelError
from .kernel import run, unmount_below
from .mirror import Mirror, find_mirror

PACKAGES = "systemd,systemd-sysv,dbus,python3,python3-apt,iproute2,sudo,ca-certificates,openssh-server,cron,nftables,procps"
_FORMAT = "1"
"""Raised when the steps below change, so that a cached system of the old kind is not taken."""

# The lab's servers live for minutes: no documentation, no flush to disk a file.
_DPKG = """path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
force-unsafe-io
"""


@dataclass(frozen=True)
class Base:
    """A cached system: read only, the lower layer of the servers."""

    path: Path
    built: bool
    """Whether this call built it."""


def ensure_base(cache: Path, suite: str, mirror_url: str = "", pip_index_url: str = "") -> Base:
    """Return the cached system, bootstrapping it first (about a minute) where it is missing.

    ``mirror_url`` empty takes the mirror from the machine's own apt sources; ``pip_index_url`` is what the servers' pip asks,
    empty for pip's default. The machine's own extra certificate authorities are trusted in it. The caller holds the lab's lock.

    Raises PgkeelError where there is no mirror or the bootstrap fails.
    """
    mirror = find_mirror(mirror_url)
    authorities = sorted(Path("/usr/local/share/ca-certificates").glob("**/*.crt"))
    key = hashlib.sha256(repr((_FORMAT, suite, PACKAGES, mirror, pip_index_url)).encode())
    for authority in authorities:
        key.update(authority.read_bytes())
    path = cache / f"{suite}-{key.hexdigest()[:12]}"
    if path.is_dir():
        return Base(path, built=False)
    cache.mkdir(parents=True, exist_ok=True)
    for half in cache.glob("*.part"):  # a killed run's
        unmount_below(half)
        shutil.rmtree(half)
    part = cache / f"{path.name}.part"
    script = Path("/usr/share/debootstrap/scripts") / suite
    if not script.exists():
        raise PgkeelError(f"debootstrap does not know Debian {suite}", "Install a newer debootstrap, or set lab_suite")
    try:
        run(
            "debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, str(part), mirror.url, timeout=900
        )  # fmt: skip
    except PgkeelError as error:
        log = part / "debootstrap" / "debootstrap.log"
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-2:] if log.exists() else []
        unmount_below(part)
        raise PgkeelError(
            f"debootstrap of {suite} from the machine's Debian mirror failed: {error.cause} {' '.join(words)}",
            "Check that the mirror answers (`apt-get update`) and that the disk has 2 GB free, then run this again",
        ) from error
    _configure(part, suite, mirror, pip_index_url, authorities)
    part.rename(path)
    return Base(path, built=True)


def _configure(root: Path, suite: str, mirror: Mirror, pip_index_url: str, authorities: list[Path]) -> None:
    """Make the bare system a server: package sources, trust, ssh host keys, an empty machine id."""
    sources = f"deb {mirror.url} {suite} main\n"
    if mirror.security_url:
        sources += f"deb {mirror.security_url} {suite}-security main\n"
    (root / "etc/apt/sources.list").write_text(sources)
    (root / "etc/dpkg/dpkg.cfg.d/pgkeel-lab").write_text(_DPKG)
    for authority in authorities:
        shutil.copy(authority, root / "usr/local/share/ca-certificates" / authority.name)
    run("chroot", str(root), "update-ca-certificates")
    pip = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"
    if pip_index_url:
        pip += f"index-url = {pip_index_url}\n"
    (root / "etc/pip.conf").write_text(pip)
    run("chroot", str(root), "ssh-keygen", "-A")
    (root / "etc/machine-id").write_text("")
    # A container has no consoles to log in on and no clock to set.
    run("chroot", str(root), "systemctl", "mask", "console-getty.service", "systemd-timesyncd.service")
