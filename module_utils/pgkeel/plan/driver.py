"""A PostgreSQL driver in one file, for checks of servers that have none.

psycopg in pure Python needs no compiler and no package on the server but libpq, which comes with psql. So a check of a server
that somebody set up by hand runs the very modules that a real run does, and leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import zipfile
from importlib import metadata
from pathlib import Path

from ..atomic_file import replacing
from ..errors import PgkeelError

DISTRIBUTIONS = ("psycopg", "typing_extensions")
# Equal contents are to be an equal file.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)


def pack_driver(folder: Path) -> Path:
    """Write the archive into ``folder``, under a name that tells its contents; returns its path.

    Raises PgkeelError when this Python has no psycopg, or the folder cannot be written.
    """
    sources: dict[str, bytes] = {}
    for name in DISTRIBUTIONS:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError as error:
            raise PgkeelError(
                f"The controller's Python has no {name}, so that a check cannot ask a server without pgkeel's environment",
                "Run make setup on the controller, or make the environment first: site.yml with --tags toolchain",
            ) from error
        # METADATA goes along, for psycopg asks for its own version.
        wanted = [file for file in files if file.suffix == ".py" or file.name == "METADATA"]
        sources |= {str(file): Path(str(file.locate())).read_bytes() for file in wanted}
    digest = hashlib.sha256(b"\0".join(name.encode() + b"\0" + sources[name] for name in sorted(sources))).hexdigest()[:12]
    target = folder / f"psycopg-{metadata.version('psycopg')}-{digest}.zip"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(sources):
                archive.writestr(zipfile.ZipInfo(name, TIMESTAMP), sources[name], zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise PgkeelError(f"Cannot write {target}: {error.strerror}", "Make the folder writable and run again") from error
    return target
