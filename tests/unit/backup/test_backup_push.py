"""A monitor hears what it must: alive after PASS only. Against a server that speaks as Uptime Kuma and Healthchecks do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, TCPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from pgkeel.backup import push
from pgkeel.backup.check import Verdict
from pgkeel.backup.push import tell


class Monitors(ThreadingHTTPServer):
    """What its two checks, "t0ken" and "uu1d", last heard; each answers as the real one does."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.state: dict[str, str] = {}
        self.text = ""
        self.broken = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Monitors

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        if self.server.broken:
            self.server.broken -= 1
            self.answer(502, "bad gateway")
            return
        parts, query = urlsplit(self.path), parse_qs(urlsplit(self.path).query)
        if parts.path != "/api/push/t0ken":
            self.answer(404, '{"ok":false,"msg":"Monitor not found or not active."}')
            return
        self.server.state["kuma"] = query.get("status", ["up"])[0]
        self.server.text = query["msg"][0]
        self.answer(200, '{"ok":true}')

    def do_POST(self) -> None:
        self.server.text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        what = {"/uu1d": "up", "/uu1d/fail": "down"}.get(self.path)
        if what is None:
            self.answer(200, "OK (not found)")
            return
        self.server.state["healthchecks"] = what
        self.answer(200, "OK")


@pytest.fixture
def monitors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Monitors]:
    monkeypatch.setattr(push.time, "sleep", lambda _: None)
    server = Monitors()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_pass_counts_as_alive(monitors: Monitors, verdict: Verdict) -> None:
    told = tell(
        [
            {"kind": "uptime_kuma", "url": f"{monitors.url}/api/push/t0ken?status=up&msg=OK&ping="},
            {"kind": "healthchecks", "url": f"{monitors.url}/uu1d"},
        ],
        verdict,
        "edtech: words",
        12.5,
    )
    assert [entry["told"] for entry in told] == [True, True]
    alive = "up" if verdict is Verdict.PASS else "down"
    assert monitors.state == {"kuma": alive, "healthchecks": alive}
    assert monitors.text == f"{verdict.value}: edtech: words"


def test_a_moment_of_trouble_is_got_over(monitors: Monitors) -> None:
    monitors.broken = 2
    assert tell([{"kind": "uptime_kuma", "url": f"{monitors.url}/api/push/t0ken"}], Verdict.PASS, "x", None)[0]["told"]
    assert monitors.state == {"kuma": "up"}


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        ("uptime_kuma", "/api/push/secret", "HTTP 404"),
        ("healthchecks", "/secret", "does not know"),
        ("healthchecks", "", "does not know"),
    ],
)
def test_a_check_that_nobody_knows_is_said_and_the_url_is_not(monitors: Monitors, kind: str, path: str, words: str) -> None:
    (outcome,) = tell([{"kind": kind, "url": f"{monitors.url}{path}"}], Verdict.PASS, "x", None)
    assert not outcome["told"]
    assert words in outcome["error"]
    assert "secret" not in str(outcome)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/secret",
        "file:///etc/secret",
        "secret",
        "http://127.0.0.1:9/secret ",
        "http://127.0.0.1:secret/secret",
        "http://[::1/secret",
        "http://127.0.0.1:9/s\u00e9cret",
    ],
)
def test_nobody_there(monitors: Monitors, url: str) -> None:
    (outcome,) = tell([{"kind": "healthchecks", "url": url}], Verdict.PASS, "x", None)
    assert not outcome["told"]
    assert "cret" not in str(outcome)
    assert monitors.state == {}


@pytest.mark.parametrize("kind", ["uptime_kuma", "healthchecks"])
def test_who_answers_as_no_web_server_does_is_said(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(push.time, "sleep", lambda _: None)

    class Mail(StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(b"220 mail.example.com ESMTP\r\n")

    with TCPServer(("127.0.0.1", 0), Mail) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            (outcome,) = tell(
                [{"kind": kind, "url": f"http://127.0.0.1:{server.server_address[1]}/secret"}], Verdict.PASS, "x", None
            )
        finally:
            server.shutdown()
            thread.join()
    assert not outcome["told"]
    assert "BadStatusLine" in outcome["error"]
    assert "secret" not in str(outcome)
