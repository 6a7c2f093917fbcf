"""The lab's object store, standing in for R2: SeaweedFS, and in front of it, over TLS, a proxy as strict as R2."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from ..errors import PgkeelError
from ..objectstore.store import StoreAddress, make_client
from .credentials import StoreKeys, ensure_certificates, ensure_store_keys
from .identity import Lab
from .kernel import end_processes, processes_with

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_START_SECONDS = 60
BUSY_SECONDS = 30
PROXY_FILES = ("__init__.py", "lab/__init__.py", "lab/faults.py", "lab/proxy.py", "lab/strictness.py")


def ensure_store(lab: Lab, weed: str, buckets: list[str]) -> bool:
    """Have the store answer over TLS with its buckets made; True if anything had to be done.

    ``weed`` is the path of SeaweedFS's program.
    """
    changed = ensure_certificates(lab)
    keys = ensure_store_keys(lab)
    if changed or not _answers_in_time(lab):
        end_processes(_proxy_marker(lab), patience=2)
        end_processes(_marker(lab), patience=10)
        _start(lab, weed, keys)
        changed = True
    client = _client(lab, keys)
    have = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
    for bucket in sorted(set(buckets) - have):
        _create_bucket(client, bucket)
        changed = True
    return changed


def remove_store(lab: Lab) -> bool:
    """End the store and delete what it held; True if there was anything."""
    proxied = end_processes(_proxy_marker(lab), patience=2)
    # A SeaweedFS that ran out of volumes ignores SIGTERM: after a second it is ended all the same.
    changed = end_processes(_marker(lab), patience=1) or proxied
    for socket in store_sockets(lab):
        socket.unlink(missing_ok=True)
    folder = lab.state / "store"
    if folder.exists():
        shutil.rmtree(folder)
        changed = True
    return changed


def store_sockets(lab: Lab) -> list[Path]:
    """The sockets that SeaweedFS leaves in /tmp, named by port, whatever its folders are."""
    ports = [lab.store_port + step + companion for step in range(5) for companion in (0, 10000)]
    return [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]  # noqa: S108


def _behind(lab: Lab) -> int:
    """SeaweedFS's own S3 port, which only the proxy asks."""
    return lab.store_port + 4


def store_runs(lab: Lab) -> bool:
    """Whether a process of the store is there, healthy or not."""
    return bool(processes_with(_marker(lab)))


def _answers_in_time(lab: Lab) -> bool:
    """Whether it answers. One that runs and is busy is given time: a restart ends every upload of whoever uses it."""
    deadline = time.monotonic() + BUSY_SECONDS
    while not store_answers(lab):
        if not (processes_with(_marker(lab)) and processes_with(_proxy_marker(lab))) or time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def store_answers(lab: Lab) -> bool:
    """Whether the store speaks HTTP over our TLS; 403 to an anonymous request is an answer."""
    authority = lab.state / "tls" / "ca.pem"
    if not authority.exists():
        return False
    try:
        context = ssl.create_default_context(cafile=str(authority))
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        opener.open(lab.endpoint, timeout=3).close()
    except urllib.error.HTTPError as error:
        error.close()
    except (OSError, ssl.SSLError):
        return False
    return True


def _marker(lab: Lab) -> str:
    return f"-dir={lab.state / 'store' / 'data'}"


def _start(lab: Lab, weed: str, keys: StoreKeys) -> None:
    folder = lab.state / "store"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    config.touch(mode=0o600)
    identity = {
        "name": "pgkeel",
        "credentials": [{"accessKey": keys.access_key, "secretKey": keys.secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    command = [
        weed,
        f"-logdir={folder}",
        "server",
        _marker(lab),
        f"-ip={lab.gateway}",
        f"-ip.bind={lab.gateway}",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=500",  # a bucket takes seven volumes, and the default is eight in all
        "-filer",
        "-s3",
        f"-s3.port={_behind(lab)}",
        f"-filer.port={lab.store_port + 1}",
        f"-master.port={lab.store_port + 2}",
        f"-volume.port={lab.store_port + 3}",
        f"-s3.config={config}",
    ]
    log = folder / "weed.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder, start_new_session=True)
    proxy = _start_proxy(lab)
    deadline = time.monotonic() + _START_SECONDS
    while not store_answers(lab):
        if process.poll() is not None or proxy.poll() is not None or time.monotonic() > deadline:
            words = " ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-2:])
            raise PgkeelError(f"The lab's object store did not come up at {lab.endpoint}: {words}", f"See {log}")
        time.sleep(0.1)


def _proxy_marker(lab: Lab) -> str:
    return f"--marker={lab.state / 'store' / 'proxy'}"


def _start_proxy(lab: Lab) -> subprocess.Popen[bytes]:
    """From a copy of its files: the checkout may change branches while the lab runs."""
    copy = lab.state / "store" / "program" / "pgkeel"
    shutil.rmtree(copy.parent, ignore_errors=True)
    for name in PROXY_FILES:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(lab.checkout / "module_utils" / "pgkeel" / name, copy / name)
    command = [
        sys.executable,
        "-m",
        "pgkeel.lab.proxy",
        _proxy_marker(lab),
        f"--listen={lab.gateway}:{lab.store_port}",
        f"--store={lab.gateway}:{_behind(lab)}",
        f"--filer={lab.gateway}:{lab.store_port + 1}",
        f"--certificate={lab.state / 'tls' / 'store.pem'}",
        f"--key={lab.state / 'tls' / 'store.key'}",
    ]
    with (lab.state / "store" / "proxy.log").open("wb") as out:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=copy.parent,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        )


def _client(lab: Lab, keys: StoreKeys) -> S3Client:
    address = StoreAddress(lab.endpoint, "", keys.access_key, keys.secret_key, ca_file=str(lab.state / "tls" / "ca.pem"))
    return cast("S3Client", make_client(address))


def _create_bucket(client: S3Client, bucket: str) -> None:
    """Create a bucket and write to it once: the store answers before its volumes are ready."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
                client.create_bucket(Bucket=bucket)
            client.put_object(Bucket=bucket, Key=".ready", Body=b"")
            client.delete_object(Bucket=bucket, Key=".ready")
        except ClientError as error:
            if time.monotonic() > deadline:
                raise PgkeelError(
                    f"The lab's object store does not accept writes to bucket {bucket}: {error}", "Run `make lab-down` and again"
                ) from error
            time.sleep(0.25)
        else:
            return
