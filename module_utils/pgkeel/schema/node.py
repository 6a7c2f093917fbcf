"""Running the readers of `files/orm/`: Node programs that ask each ORM's own tools, installed from a lock into a cache."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..atomic_file import replace_file
from ..errors import PgkeelError

SIDES = ("prisma", "drizzle", "kysely")
OLDEST_NODE = 20
READ_SECONDS = 120.0
INSTALL_SECONDS = 600.0
_INSTALLED = ".installed"
# What npm needs to find a registry and its cache; nothing else of the environment reaches an application's files.
_NPM_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)
_NPM_PREFIXES = ("npm_config_", "NPM_CONFIG_", "NODE_EXTRA_CA_CERTS")


def require_node() -> str:
    """The version of Node. Raises PgkeelError when it or npm is missing or too old."""
    cure = (
        f"Install Node {OLDEST_NODE} or newer with npm where the schema audit runs "
        "(Debian 13: apt-get install nodejs npm; the one of Debian 12 is too old)"
    )
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise PgkeelError(
                f"{program} is not installed on this machine, and only the ORMs' own tools can read their files", cure
            )
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    match = re.match(r"v(\d+)\.", said)
    if match is None or int(match[1]) < OLDEST_NODE:
        raise PgkeelError(f"Node is {said or 'unknown'}, and the ORMs' tools need {OLDEST_NODE}", cure)
    return said


def install(package: Path, cache: Path, *, development: bool = False) -> Path:
    """A folder in `cache` with the package's programs and its dependencies, installed from its lock once.

    `development` adds what only tests need. Raises PgkeelError when npm cannot install.
    """
    require_node()
    programs = sorted(package.glob("*.mjs"))
    digest = hashlib.sha256()
    for path in (package / "package.json", package / "package-lock.json", package / ".npmrc", *programs):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    lock_digest = hashlib.sha256((package / "package-lock.json").read_bytes() + bytes([development])).hexdigest()[:12]
    folder = cache.absolute() / lock_digest
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_packages(package, folder, development=development)
        target = folder / digest.hexdigest()[:12]
        target.mkdir(exist_ok=True)
        for path in programs:
            # Rename: another run may be reading the same file, which has the same text.
            replace_file(target / path.name, path.read_bytes(), durable=False)
        (target / "package.json").write_text('{"type": "module"}\n', encoding="utf-8")
    return target


def _install_packages(package: Path, folder: Path, *, development: bool) -> None:
    """Below `folder`, so that programs in its sub-folders find them; the marker says that it came to its end."""
    if (folder / _INSTALLED).exists():
        return
    shutil.rmtree(folder / "node_modules", ignore_errors=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(package / name, folder / name)
    environment = {key: value for key, value in os.environ.items() if key in _NPM_ENVIRONMENT or key.startswith(_NPM_PREFIXES)}
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", *([] if development else ["--omit=dev"])]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PgkeelError(
            f"npm ci did not end within {INSTALL_SECONDS:.0f} s", "Check that this machine reaches its npm registry"
        ) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        raise PgkeelError(
            f"npm could not install the ORMs' tools: {' '.join(lines[:3]) or f'exit status {done.returncode}'}",
            "Check that this machine reaches its npm registry (npm ping), or fill the cache where it does",
        )
    (folder / _INSTALLED).touch()


def read_sides(programs: Path, request: Mapping[str, str]) -> dict[str, Any]:
    """Ask every reader whose file is in `request` (keys `prisma`, `drizzle`, `kysely`, and the readers' options), side by side.

    A reader that fails gives `{"problem": sentence}`: one broken file is no reason to know nothing of the others.
    """
    sides = [side for side in SIDES if request.get(side)]
    with ThreadPoolExecutor(max_workers=len(sides) or 1) as pool:
        return dict(zip(sides, pool.map(lambda side: _read(programs, side, request), sides), strict=True))


def _read(programs: Path, side: str, request: Mapping[str, str]) -> dict[str, Any]:
    given = Path(request[side]).absolute()
    if not given.exists():
        return {"problem": f"{given} does not exist"}
    with tempfile.TemporaryDirectory(prefix="pgkeel-orm-") as folder:
        asked, answered = Path(folder, "request.json"), Path(folder, "answer.json")
        asked.write_text(
            json.dumps({**request, **{name: str(Path(request[name]).absolute()) for name in SIDES if request.get(name)}}),
            encoding="utf-8",
        )
        # An application's files are programs: they get nothing of this process' environment but where to find Node.
        environment = {"PATH": os.environ.get("PATH", ""), "HOME": folder, "TMPDIR": folder, "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
        command = ["node", "--no-warnings", str(programs / f"read_{side}.mjs"), str(asked), str(answered)]
        try:
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, timeout=READ_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return {"problem": f"its tool did not end within {READ_SECONDS:.0f} s"}
        if not answered.exists():
            said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            told = next((line for line in said if "Error" in line), " ".join(said[-3:]))
            return {"problem": f"its tool ended with status {done.returncode}: {told[:500] or 'it said nothing'}"}
        result: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
        return result
