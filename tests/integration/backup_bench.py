"""One database and its shelf in the lab's store, for tests that back up and drill."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pgkeel.backup.encryption import decrypt, encrypt, make_identity, recipient_of
from pgkeel.backup.manifest import KIND
from pgkeel.backup.signature import public_key_of, sign, verify
from pgkeel.objectstore.objects import delete_object, list_objects, read_small
from pgkeel.objectstore.store import Store, StoreAddress, open_store

ROOT = Path(__file__).resolve().parents[2]
SERVER_PYTHON = "/opt/pgkeel/venv/bin/python"
DRIVER = "/tmp/pgkeel-it"
OPERATOR, DRILL = make_identity(), make_identity()
SIGNING_KEY = base64.b64encode(secrets.token_bytes(32)).decode()
GROUND = "/var/lib/postgresql/it-proving-ground"
PREFIX = f"it-{secrets.token_hex(4)}"
CA_FILE = "/tmp/pgkeel-it-ca.pem"


@dataclass(frozen=True)
class Bench:
    """One database and its shelf in the store."""

    server: Any
    store: Store
    database: str

    @property
    def arguments(self) -> dict[str, Any]:
        address = self.store.address
        return {
            "database": self.database,
            "server_name": "it",
            "prefix": PREFIX,
            "endpoint": address.endpoint,
            "bucket": address.bucket,
            "access_key": address.access_key,
            "secret_key": address.secret_key,
            "ca_file": CA_FILE,
            "signing_key": SIGNING_KEY,
        }

    @property
    def folder(self) -> str:
        return f"{PREFIX}/it/{self.database}/"

    def backup(self, *, check: bool = False, module: bool = False, **change: Any) -> dict[str, Any]:
        recipients = [recipient_of(OPERATOR), recipient_of(DRILL)]
        return self._call("pg_backup", {**self.arguments, "recipients": recipients, **change}, module=module, check=check)

    def drill(self, *, check: bool = False, module: bool = False, **change: Any) -> dict[str, Any]:
        arguments = {**self.arguments, "identity": DRILL, "drill_dir": GROUND, **change}
        return self._call("pg_restore_drill", arguments, module=module, check=check)

    def _call(self, name: str, arguments: dict[str, Any], *, module: bool, check: bool) -> dict[str, Any]:
        """Through Ansible where the module itself is tested; else the logic below it, which is a second faster."""
        if module or check:
            return self.server.module(name, arguments, check=check)
        done = self.server.run(
            f"cd / && exec runuser -u postgres -- {SERVER_PYTHON} {DRIVER}/backup_driver.py {name}",
            check=False,
            stdin=json.dumps(arguments),
        )
        if done.returncode:
            return {"failed": True, "msg": f"exit status {done.returncode}: {done.stdout}{done.stderr}"}
        return json.loads(done.stdout)

    def keys(self) -> list[str]:
        return [item.key for item in list_objects(self.store, self.folder)]

    def uploads(self) -> list[dict]:
        return self.store.client.list_multipart_uploads(Bucket=self.store.bucket, Prefix=self.folder).get("Uploads", [])

    def put(self, key: str, body: bytes) -> None:
        """Whatever lay there; a key takes one write a second."""
        self.store.call("writing", lambda: self.store.client.put_object(Bucket=self.store.bucket, Key=key, Body=body))

    def rewrite_manifest(self, backup: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> None:
        manifest = json.loads(verify(read_small(self.store, backup["manifest_key"]), KIND, [public_key_of(SIGNING_KEY)]))
        change(manifest)
        self.put(backup["manifest_key"], sign(json.dumps(manifest).encode(), KIND, SIGNING_KEY))

    def replace_dump(self, backup: dict[str, Any], dump: bytes, *, forge: bool) -> None:
        """Put another dump in its place; ``forge``: it is plain text, and gets a manifest that vouches for it, well signed."""
        sealed = encrypt(dump, [recipient_of(DRILL)]) if forge else dump
        self.put(dump_key(backup), sealed)

        def vouch(manifest: dict[str, Any]) -> None:
            size = manifest["dump"]["part_bytes"]
            manifest["dump"] |= {
                "bytes": len(sealed),
                "sha256": hashlib.sha256(sealed).hexdigest(),
                "parts": -(-len(sealed) // size),
            }
            manifest["dump"]["plain"] = {"bytes": len(dump), "sha256": hashlib.sha256(dump).hexdigest()}

        if forge:
            self.rewrite_manifest(backup, vouch)

    def leftovers(self) -> list[str]:
        return self.server.run(f"ls -A {GROUND} | grep -v '^.pgkeel-proving-ground$' || true").stdout.split()


def dump_key(backup: dict[str, Any]) -> str:
    return backup["manifest_key"].replace("manifest.json", "dump.pgc.age")


def plain_dump(bench: Bench, backup: dict[str, Any]) -> bytes:
    return decrypt(read_small(bench.store, dump_key(backup)), OPERATOR, "the dump")


def lay_driver(server: Any, store: Store) -> None:
    """The package and a small program around it, the store's authority and a folder for drills, on the server."""
    packed = subprocess.run(
        ["tar", "cz", "--exclude=__pycache__", "-C", str(ROOT / "module_utils"), "pgkeel",
         "-C", str(ROOT / "tests" / "integration"), "backup_driver.py", "optimize_driver.py"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    server.run(
        f"rm -rf {DRIVER} && mkdir {DRIVER} && base64 -d | tar xz --no-same-owner -C {DRIVER} && chmod -R a+rX {DRIVER}",
        stdin=base64.b64encode(packed).decode(),
    )
    with open(store.address.ca_file, encoding="ascii") as file:
        server.run(f"cat > {CA_FILE} && chmod 644 {CA_FILE}", stdin=file.read())
    server.run(f"install -d -o postgres -g postgres -m 700 {GROUND}")


@pytest.fixture(scope="module")
def store(server: Any) -> Iterator[Store]:
    """The lab's store, with the driver on the server; what the tests put there is gone afterwards."""
    found = open_store(
        StoreAddress(
            endpoint=os.environ["PGKEEL_TEST_S3_ENDPOINT"],
            # The lab's own: SeaweedFS needs a while to make volumes for a new one.
            bucket="pgkeel",
            access_key=os.environ["PGKEEL_TEST_S3_ACCESS_KEY"],
            secret_key=os.environ["PGKEEL_TEST_S3_SECRET_KEY"],
            ca_file=os.environ["PGKEEL_TEST_S3_CA_FILE"],
        )
    )
    lay_driver(server, found)
    yield found
    for item in list_objects(found, f"{PREFIX}/"):
        delete_object(found, item.key)
