"""Which Debian mirror this machine uses: read from its own apt sources, never written down here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..errors import PgkeelError

_SUITES = {"bookworm", "trixie", "forky", "duke", "sid", "oldstable", "stable", "testing", "unstable"}
"""What Debian's own archives are divided into; other vendors name theirs otherwise."""


@dataclass(frozen=True)
class Mirror:
    """Where Debian's packages come from."""

    url: str
    security_url: str
    """Empty where the machine has none."""


def find_mirror(url: str = "", folder: Path = Path("/etc/apt")) -> Mirror:
    """Read the mirror from the apt sources below ``folder``, or take the one given.

    Raises PgkeelError where the machine is no Debian with a mirror of its own.
    """
    entries = list(_entries(folder))
    main = [uri for uri, suite in entries if suite in _SUITES]
    security = [uri for uri, suite in entries if suite.endswith("-security")]
    if url:
        return Mirror(url, "")
    if not main:
        raise PgkeelError(
            f"No Debian mirror in {folder}", "The lab needs a Debian machine, or the mirror's address in lab_mirror_url"
        )
    return Mirror(main[0], security[0] if security else "")


def _entries(folder: Path) -> Iterable[tuple[str, str]]:
    """Pairs of URI and suite of Debian's own archives."""
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found = _deb822(text) if path.suffix == ".sources" else _one_line(text)
        for uri, suite in found:
            url = _resolve(uri)
            if url.startswith("http") and "debian" in url and suite.removesuffix("-security") in _SUITES:
                yield url, suite


def _resolve(uri: str) -> str:
    """The first address of a list of mirrors, as cloud images have; any other address as it is."""
    if not uri.startswith("mirror+file:"):
        return uri
    path = Path("/" + uri.removeprefix("mirror+file:").lstrip("/"))
    lines = path.read_text(encoding="utf-8").split() if path.is_file() else []
    return lines[0] if lines else ""


def _deb822(text: str) -> Iterable[tuple[str, str]]:
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.startswith("#")]
        fields = {key.strip().lower(): value.split() for key, _, value in (line.partition(":") for line in lines)}
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield uri, suite


def _one_line(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            yield match[1], match[2]
