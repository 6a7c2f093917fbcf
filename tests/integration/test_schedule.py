"""The schedule on a real server: units that systemd runs, what becomes of their runs, and what the role leaves alone."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
import yaml
from integration.waiting import wait_until

FOLDER = "/root/pgkeel-it"
PLAY = [{"name": "Apply the role", "hosts": "postgresql", "gather_facts": False, "roles": [{"role": "schedule"}]}]
STATE = "/var/lib/pgkeel"
# Half a day from now: a timer that is due meanwhile would start jobs by itself.
HOUR = f"{(datetime.now(UTC).hour + 12) % 24:02}"
SECRET = "canary {{ 7 * 6 }} {# not a comment #} {% é"
BODIES = {
    "ok": {
        "ansible.builtin.shell": f"id -un > {FOLDER}/seen; echo '{{{{ database_it_secret }}}}' >> {FOLDER}/seen",
        "become": True,
        "become_user": "postgres",
    },
    "bad": {"ansible.builtin.fail": {"msg": "it went wrong"}},
    "slow": {"ansible.builtin.shell": f"echo in >> {FOLDER}/order; sleep 3; echo out >> {FOLDER}/order"},
    "stuck": {"ansible.builtin.command": "sleep 3917"},
}
JOBS = [
    {"name": f"it-{name}", "playbook": f"{FOLDER}/{body}.yml", "calendar": f"*-*-* {HOUR}:00:00", **more}
    for name, body, more in (
        ("ok", "ok", {}),
        ("bad", "bad", {}),
        ("slow", "slow", {}),
        ("slow2", "slow", {}),
        ("free", "ok", {"exclusive": False}),
        ("stuck", "stuck", {"exclusive": False}),
        ("late", "stuck", {"exclusive": False, "timeout": 4}),
        ("manual", "ok", {"enabled": False}),
    )
]


@pytest.fixture(scope="module")
def apply(server, tmp_path_factory):
    """Applies the role with given jobs; the server's own schedule is put back at the end."""
    playbook = tmp_path_factory.mktemp("schedule") / "apply.yml"
    playbook.write_text(yaml.safe_dump(PLAY))
    for name, task in BODIES.items():
        play = [{"hosts": "postgresql", "gather_facts": False, "tasks": [{"name": name, **task}]}]
        server.run(f"install -d -m 777 {FOLDER}; chmod 711 /root; cat > {FOLDER}/{name}.yml", stdin=yaml.safe_dump(play))

    def run(jobs, *, check=False, arguments=(), **extra):
        variables = {"schedule_jobs": jobs, "database_it_secret": {"__ansible_unsafe": SECRET}, **extra}
        return server.playbook(str(playbook), variables, check=check, arguments=arguments)

    yield run
    server.run("systemctl kill 'pgkeel-it-*.service'; systemctl reset-failed 'pgkeel-it-*'", check=False)
    restored = server.playbook(str(playbook))
    assert restored.returncode == 0, restored.stdout
    server.run(f"rm -rf {FOLDER} {STATE}/runs/it-*; chmod 700 /root")


@pytest.fixture(scope="module")
def scheduled(server, apply):
    """The test jobs, installed."""
    before = listing(server)
    predicted = apply(JOBS, check=True)
    assert predicted.returncode == 0, predicted.stdout
    assert predicted.stats[server.name]["changed"] > 0
    assert listing(server) == before, "a check changes nothing"
    real = apply(JOBS, arguments=("--diff", "-vvv"))
    assert real.returncode == 0, real.stdout
    assert "canary" not in real.stdout.replace("database_it_secret", ""), "a secret in the output"
    again = apply(JOBS)
    assert again.stats[server.name]["changed"] == 0, again.changed_tasks
    return real


def listing(server) -> str:
    return server.run(
        "cd / && find etc/systemd/system opt/pgkeel etc/pgkeel ! -path '*/__pycache__*' -printf '%p %l %s %m\\n' | sort; "
        "systemctl list-timers --all --no-legend 'pgkeel*' | awk '{print $NF}' | sort"
    ).stdout


def start(server, job, *, wait=True):
    return server.run(f"systemctl start {'' if wait else '--no-block '}pgkeel-{job}.service", check=False, timeout=120)


def newest(server, job):
    return json.loads(server.run(f"cat {STATE}/runs/{job}.json").stdout)["runs"][0]


def status(server, jobs=JOBS):
    result = server.module("schedule_status", {"jobs": jobs, "state_dir": STATE}, become_user="root")
    assert not result["failed"], result
    return {job["name"]: job for job in result["jobs"]}, result


@pytest.mark.usefixtures("scheduled")
class TestJobs:
    def test_units_are_what_systemd_accepts(self, server):
        verified = server.run(
            "systemd-analyze verify /etc/systemd/system/pgkeel-*.service /etc/systemd/system/pgkeel-*.timer 2>&1"
        )
        assert "pgkeel" not in verified.stdout
        assert server.run("systemctl is-enabled pgkeel-it-ok.timer").stdout.strip() == "enabled"
        assert server.run("systemctl is-active pgkeel-it-ok.timer").stdout.strip() == "active"
        assert server.run("test -e /etc/systemd/system/pgkeel-it-manual.timer", check=False).returncode == 1
        assert (
            server.run("stat -c '%a %U' /etc/pgkeel/inventory /etc/pgkeel/inventory/hosts.yml").stdout == "700 root\n600 root\n"
        )

    def test_a_job_runs_becomes_postgres_and_is_recorded(self, server):
        server.run(f"rm -f {FOLDER}/seen")
        assert start(server, "it-ok").returncode == 0
        assert server.run(f"cat {FOLDER}/seen").stdout == f"postgres\n{SECRET}\n"
        run = newest(server, "it-ok")
        assert (run["result"], run["exit_status"]) == ("success", "0")
        job = status(server)[0]["it-ok"]
        assert job["state"] == "succeeded"
        assert job["seconds"] > 0
        assert f"T{HOUR}:0" in job["next_run"]
        assert job["problem"] == ""

    def test_a_failing_job_is_shown_and_logged(self, server):
        assert start(server, "it-bad").returncode != 0
        jobs, result = status(server)
        assert jobs["it-bad"]["state"] == "failed"
        assert jobs["it-bad"]["exit_status"] == "2"
        assert any("it-bad failed" in problem for problem in result["problems"])
        wait_until(lambda: "Job it-bad failed" in server.run("journalctl -t pgkeel -n 20 --no-pager").stdout)
        shown = server.playbook("playbooks/status.yml", {"schedule_jobs": JOBS})
        assert shown.returncode == 0
        assert re.search(r"it-bad +failed", shown.stdout)
        strict = server.playbook("playbooks/status.yml", {"schedule_jobs": JOBS, "status_fail_on_error": True})
        assert strict.returncode != 0
        assert "The last run of it-bad failed" in strict.stdout

    @pytest.mark.parametrize("whole", [False, True], ids=["main process", "whole group"])
    def test_a_killed_job_is_a_failure(self, server, whole):
        start(server, "it-stuck", wait=False)
        wait_until(lambda: server.run("pgrep -x sleep", check=False).returncode == 0)
        assert status(server)[0]["it-stuck"]["state"] == "running"
        if whole:  # the recorder may die with it
            server.run("systemctl kill --signal=SIGKILL pgkeel-it-stuck.service")
        else:
            server.run("kill -9 $(systemctl show -P MainPID pgkeel-it-stuck.service)")
        wait_until(lambda: server.run("systemctl is-failed pgkeel-it-stuck.service", check=False).returncode == 0)
        if not whole:
            assert newest(server, "it-stuck")["exit_status"] == "KILL"
        job = status(server)[0]["it-stuck"]
        assert (job["state"], job["result"]) == ("failed", "signal")
        assert server.run("pgrep -x sleep", check=False).returncode == 1, "nothing of the job is left"

    def test_a_job_that_takes_too_long_is_ended(self, server):
        assert start(server, "it-late").returncode != 0
        assert newest(server, "it-late")["result"] == "timeout"
        assert server.run("pgrep -x sleep", check=False).returncode == 1

    def test_exclusive_jobs_queue_and_others_do_not(self, server):
        server.run(f"rm -f {FOLDER}/order")
        start(server, "it-slow", wait=False)
        start(server, "it-slow2", wait=False)
        wait_until(lambda: server.run(f"cat {FOLDER}/order", check=False).stdout.startswith("in"))
        assert start(server, "it-free").returncode == 0
        wait_until(lambda: server.run(f"cat {FOLDER}/order").stdout.count("out") == 2)
        assert server.run(f"cat {FOLDER}/order").stdout.split() == ["in", "out", "in", "out"]
        ended = newest(server, "it-free")["ended"]
        wait_until(lambda: newest(server, "it-slow2")["ended"] and newest(server, "it-slow")["ended"])
        assert ended < max(newest(server, name)["ended"] for name in ("it-slow", "it-slow2"))

    def test_a_run_that_a_power_cut_ended_is_interrupted(self, server):
        server.run(
            f"systemctl reset-failed pgkeel-it-stuck.service; cat > {STATE}/runs/it-stuck.json",
            stdin=json.dumps(
                {
                    "job": "it-stuck",
                    "runs": [{"job": "it-stuck", "invocation_id": "f" * 32, "started": "2026-01-01T00:00:00+00:00"}],
                }
            ),
            check=False,
        )
        job = status(server)[0]["it-stuck"]
        assert job["state"] == "interrupted"
        assert "was cut off" in job["problem"]

    def test_a_broken_release_is_a_failure_too(self, server):
        server.run("mv /opt/pgkeel/current /opt/pgkeel/current.away; systemctl start pgkeel-it-free.service", check=False)
        try:
            assert status(server)[0]["it-free"]["state"] == "failed"
        finally:
            server.run("mv /opt/pgkeel/current.away /opt/pgkeel/current")

    @pytest.mark.parametrize(
        ("bad", "sentence"),
        [
            ({"calendar": "every now and then"}, "does not understand the calendar"),
            ({"calendar": "2001-01-01 00:00:00"}, "lies in the past for ever"),
            ({"playbook": "playbooks/nosuch.yml"}, "which is neither in this release nor on the server"),
            ({"playbook": "../etc/passwd"}, "has the playbook"),
            ({"name": "No Such"}, "is no name for a job"),
            ({"timeout": -1}, "above zero"),
        ],
    )
    def test_a_bad_job_is_refused_before_anything_changes(self, server, apply, bad, sentence):
        before = listing(server)
        refused = apply([{**JOBS[0], **bad}])
        assert refused.returncode != 0
        assert sentence in " ".join(refused.stdout.split())
        assert listing(server) == before

    def test_an_unknown_time_zone_is_refused(self, apply):
        refused = apply(JOBS[:1], schedule_timezone="Mars/Olympus")
        assert refused.returncode != 0
        assert "Mars/Olympus" in refused.stdout

    def test_a_removed_job_leaves_and_foreign_units_stay(self, server, apply):
        foreign = "/etc/systemd/system/pgkeel-it-foreign.service"
        server.run(f"printf '[Service]\\nExecStart=/bin/true\\n' > {foreign}")
        try:
            applied = apply(JOBS[:1])
            assert applied.returncode == 0, applied.stdout
            left = server.run("ls /etc/systemd/system; systemctl list-timers --all --no-legend 'pgkeel*'").stdout
            assert "pgkeel-it-ok.timer" in left
            assert "pgkeel-it-bad" not in left
            assert "pgkeel-it-foreign.service" in left
            taken = apply([{**JOBS[0], "name": "it-foreign"}])
            assert taken.returncode != 0
            assert "was not written by pgkeel" in taken.stdout
        finally:
            server.run(f"rm -f {foreign}")
        # What somebody stopped by hand is started again, and then nothing is left to do.
        server.run("systemctl disable --now pgkeel-it-ok.timer")
        assert apply(JOBS[:1]).stats[server.name]["changed"] == 1
        assert server.run("systemctl is-active pgkeel-it-ok.timer").stdout.strip() == "active"
        assert apply(JOBS[:1]).stats[server.name]["changed"] == 0

    def test_old_releases_go_and_the_one_in_use_stays(self, server, apply):
        in_use = server.run("readlink /opt/pgkeel/current").stdout.strip()
        server.run(
            f"for i in 1 2 3 4; do mkdir /opt/pgkeel/releases/it-$i; done; touch -d 2001-01-01 {in_use}; rm /opt/pgkeel/current"
        )
        applied = apply(JOBS[:1])
        assert applied.returncode == 0, applied.stdout
        left = server.run("ls /opt/pgkeel/releases").stdout.split()
        assert len(left) == 3
        assert in_use.rsplit("/", 1)[1] in left
        server.run("rm -rf /opt/pgkeel/releases/it-*")


def test_a_rolling_index_follows_the_clock(server, apply, connection):
    index = {"database": "edtech", "name": "it_visit_recent", "table": "it_visit", "columns": ["id"]}
    jobs = [{"name": "it-indexes", "playbook": "playbooks/indexes.yml", "calendar": f"*-*-* {HOUR}:00:00"}]
    definition = "SELECT indexdef FROM pg_indexes WHERE indexname = 'it_visit_recent'"
    log = connection("edtech")
    log.execute("CREATE TABLE it_visit AS SELECT n AS id, now() - n * interval '1 h' AS at FROM generate_series(1, 2000) n")
    try:
        applied = apply(jobs, database_indexes=[{**index, "rolling": {"column": "at", "keep": "30 days"}}])
        assert applied.returncode == 0, applied.stdout
        log.execute("CREATE INDEX it_visit_recent ON it_visit (id) WHERE at >= '2020-01-01 00:00:00+00'")
        assert start(server, "it-indexes").returncode == 0, server.run("journalctl -u pgkeel-it-indexes -n 40 --no-pager").stdout
        assert "2020-01-01" not in log.execute(definition).fetchone()[0]
        assert newest(server, "it-indexes")["result"] == "success"
    finally:
        log.execute("DROP TABLE it_visit")
