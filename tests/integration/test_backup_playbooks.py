"""backup.yml and restore_drill.yml as an operator runs them: what they show meanwhile, and where the drill's processes are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from integration.conftest import ROOT, Server


@pytest.fixture(scope="module")
def large(server: Server) -> Iterator[str]:
    """A database whose backup and restore take some seconds, also where nothing else runs: progress is told once in each."""
    name = "it_playbooks"
    with psycopg.connect(host=server.socket_dir, user="postgres", dbname="postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name}")
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        with psycopg.connect(host=server.socket_dir, user="postgres", dbname=name, autocommit=True) as session:
            session.execute("CREATE EXTENSION pgcrypto")
            session.execute("CREATE TABLE large AS SELECT n, gen_random_bytes(1000) FROM generate_series(1, 250000) n")
        yield name
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run(server: Server, playbook: str, large: str, *, check: bool = False, **extra: Any) -> tuple[str, dict[str, Any]]:
    done = server.playbook(f"playbooks/{playbook}.yml", {"backup_databases": [large], **extra}, check=check)
    assert done.returncode == 0, done.stdout[-3000:]
    path = ROOT / "build" / "reports" / server.name / f"{playbook.removeprefix('restore_')}.json"
    return done.stdout, json.loads(path.read_text(encoding="utf-8"))


def told(output: str, large: str) -> list[str]:
    return re.findall(rf"\] {large}: (.*)", output)


def test_a_backup_shows_how_far_it_is(server: Server, large: str) -> None:
    output, _ = run(server, "backup", large, backup_progress_seconds=1)
    lines = told(output, large)
    assert [
        line for line in lines if re.fullmatch(r"dump, \d+ %, [\d.]+ [kM]?B, part \d+, of a database of [\d.]+ MB, \d+ s", line)
    ], lines
    assert server.run("ls -d /tmp/pgkeel-progress-* 2>/dev/null || true").stdout == ""


def test_a_drill_shows_how_far_it_is_and_runs_in_its_slice(server: Server, large: str) -> None:
    run(server, "backup", large, backup_progress_seconds=0)
    output, result = run(server, "restore_drill", large, backup_progress_seconds=1)
    phases = {line.split(",")[0] for line in told(output, large)}
    assert phases & {"restore", "verify", "fetch", "decrypt"}, output[-2000:]
    assert re.search(rf"\] {large}: (restore|fetch|decrypt), \d+ %, [\d.]+ [kM]?B of [\d.]+ MB, \d+ s", output)
    (drilled,) = result["databases"]
    assert re.fullmatch(r"/pgkeel\.slice/pgkeel-drill\.slice/run-[\w-]+\.scope", drilled["caps"]["group"])
    assert (drilled["verdict"], drilled["target"], drilled["not_verified"]) == ("PASS", "cluster", [])


def test_a_drill_in_production_through_the_playbook(server: Server, large: str) -> None:
    _, result = run(server, "restore_drill", large, backup_drill_target="database", backup_progress_seconds=0)
    (drilled,) = result["databases"]
    assert (drilled["verdict"], drilled["target"], len(drilled["not_verified"])) == ("PASS", "database", 2)


def test_nothing_is_shown_on_the_schedule_and_in_check_mode(server: Server, large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output, _ = run(server, "backup", large, check=True, backup_progress_seconds=1)
    assert told(output, large) == []
    monkeypatch.setenv("PGKEEL_SCHEDULED", "1")
    output, _ = run(server, "backup", large)
    assert told(output, large) == []


def test_the_limits_are_systemds(server: Server) -> None:
    # Shares count among neighbours: the slice around the drill's is PostgreSQL's neighbour.
    shown = server.run("systemctl show pgkeel-drill.slice -p CPUQuotaPerSecUSec -p MemoryMax").stdout
    shown += server.run("systemctl show pgkeel.slice -p CPUWeight -p IOWeight").stdout
    values = dict(line.split("=", 1) for line in shown.split())
    cores = int(server.run("nproc").stdout)
    total = int(server.run("awk '/^MemTotal/ {print $2}' /proc/meminfo").stdout) * 1024
    seconds = cores * 0.75
    unit, factor = ("ms", 0.001) if values["CPUQuotaPerSecUSec"].endswith("ms") else ("s", 1)
    assert float(values["CPUQuotaPerSecUSec"].removesuffix(unit)) * factor == pytest.approx(seconds)
    assert (values["CPUWeight"], values["IOWeight"]) == ("idle", "10")
    assert abs(int(values["MemoryMax"]) - total / 2) < total / 100
    scheduled = server.run("systemctl show pgkeel-drill.service -p Slice --value").stdout.strip()
    assert scheduled == "pgkeel-drill.slice"


def test_the_examples_placeholders_are_refused_before_anything_is_done(
    server: Server, large: str, connection: Callable[..., psycopg.Connection]
) -> None:
    del connection
    for extra, words in (
        ({"backup_age_recipients": ["AGE-PUBLIC-KEY-OF-THE-OPERATOR"]}, "backup_age_recipients"),
        ({"backup_signing_key": "CHANGE-ME"}, "backup_signing_key"),
    ):
        done = server.playbook("playbooks/backup.yml", {"backup_databases": [large], **extra})
        assert done.returncode != 0
        assert f"{words} is still the example's" in re.sub(r"\s+", " ", done.stdout)
    done = server.playbook("playbooks/restore_drill.yml", {"backup_databases": [large], "backup_drill_identity": "CHANGE-ME"})
    assert done.returncode != 0
    assert "backup_drill_identity is still the example's" in re.sub(r"\s+", " ", done.stdout)
