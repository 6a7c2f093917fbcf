"""A proxy in front of the lab's store that enforces R2's rules, and fails on demand.

``python -m pgkeel.lab.proxy`` with its options; the lab starts and ends it. Signatures stay valid: the Host header is passed on.
Tests steer it below ``/-/``: POST faults (a list of Fault), POST locked (a list of bucket/prefix), POST skew (seconds), GET
seen?prefix=.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import ssl
import struct
import threading
import time
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .faults import Faults
from .strictness import Asked, Refusal, Strictness, read_request

CHUNK = 256 * 1024
HANG_SECONDS = 90
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "date", "server"}
STATUSES = {
    "429": Refusal(429, "TooManyRequests", "Reduce your request rate"),
    "500": Refusal(500, "InternalError", "We encountered an internal error"),
    "503": Refusal(503, "ServiceUnavailable", "Please try again"),
    "507": Refusal(507, "InsufficientStorage", "no space left"),
    "403": Refusal(403, "AccessDenied", "Access Denied"),
}


class Proxy(ThreadingHTTPServer):
    """Its state is shared by all connections."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, listen: tuple[str, int], store: tuple[str, int], filer: tuple[str, int], tls: ssl.SSLContext) -> None:
        super().__init__(listen, Handler)
        self.store, self.filer, self.tls = store, filer, tls
        self.faults = Faults()
        self.strictness = Strictness()
        self.lock = threading.Lock()

    def exists(self, asked: Asked) -> bool:
        """Whether the object is there: the store's own file server knows, without a signature."""
        connection = http.client.HTTPConnection(*self.filer, timeout=10)
        try:
            connection.request("HEAD", f"/buckets/{urllib.parse.quote(f'{asked.bucket}/{asked.key}')}")
            return connection.getresponse().status == http.HTTPStatus.OK
        finally:
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's own signature
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    server: Proxy
    timeout = 120

    def setup(self) -> None:
        """TLS here, in the connection's own thread: a slow handshake must not hold up the others."""
        self.request.settimeout(self.timeout)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.upstream: http.client.HTTPConnection | None = None
        super().setup()

    def finish(self) -> None:
        """Both connections end together."""
        if self.upstream is not None:
            self.upstream.close()
        super().finish()

    def handle_expect_100(self) -> bool:
        """R2 does not answer; the request itself is then refused."""
        return True

    def log_message(self, *_: object) -> None:
        """Nothing is logged: keys and queries may be secret."""

    def do_any(self) -> None:
        """Serve one request."""
        if self.path.startswith("/-/"):
            self._steer()
            return
        asked = read_request(self.command, self.path, dict(self.headers.items()))
        length = int(self.headers.get("content-length") or 0)
        kind = self.server.faults.strike(asked)
        if kind == "timeout":
            time.sleep(HANG_SECONDS)
        if kind in {"timeout", "reset"}:
            self._break()
            return
        if kind in STATUSES:
            self._drain(length)
            self._answer(STATUSES[kind])
            return
        body = self.rfile.read(length) if asked.operation == "CompleteMultipartUpload" else b""
        with self.server.lock:
            refusal = self.server.strictness.refuse(asked, body, self.server.exists)
        if refusal is not None:
            self._drain(length - len(body))
            self._answer(refusal)
            return
        status = self._forward(length, body, kind)
        if asked.operation in {"PutObject", "CompleteMultipartUpload"} and status != http.HTTPStatus.OK:
            with self.server.lock:
                self.server.strictness.not_written(asked)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_any  # noqa: N815 - the names that http.server looks for

    def _forward(self, length: int, body: bytes, kind: str) -> int:
        """Pass it on, and the answer back; returns the store's status, 0 where the connection broke."""
        spoil = kind == "wrong_bytes" and length > 0
        try:
            if self.upstream is None:
                self.upstream = http.client.HTTPConnection(*self.server.store, timeout=120)
            self.upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    self.upstream.putheader(name, value)
            self.upstream.endheaders()
            if body:
                self.upstream.send(body)
            left = length - len(body)
            while left:
                chunk = self.rfile.read(min(CHUNK, left))
                if not chunk:
                    self._break()
                    return 0
                left -= len(chunk)
                if spoil:
                    chunk, spoil = bytes([chunk[0] ^ 1]) + chunk[1:], False
                self.upstream.send(chunk)
            answer = self.upstream.getresponse()
        except (OSError, http.client.HTTPException):
            self._break()
            return 0
        if kind == "lost_answer":
            answer.read()
            self._break()
            return answer.status
        self._relay(answer, kind if not length else "")
        return answer.status

    def _relay(self, answer: http.client.HTTPResponse, kind: str) -> None:
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        known = answer.getheader("content-length")
        head = self.command == "HEAD"
        whole = b"" if known is not None or head else answer.read()
        self.send_response_only(answer.status)
        self._date()
        for name, value in headers:
            self.send_header(name, value)
        if known is None and not head:
            self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        if head:
            answer.read()
            return
        self.wfile.write(whole)
        size, sent, spoil = int(known or 0), 0, kind == "wrong_bytes"
        while chunk := answer.read(CHUNK):
            if kind == "short_body" and sent + len(chunk) > size // 2:
                self.wfile.write(chunk[: size // 2 - sent])
                answer.close()
                self.upstream = None
                self._break()
                return
            if spoil:
                chunk, spoil = bytes([chunk[0] ^ 1]) + chunk[1:], False
            self.wfile.write(chunk)
            sent += len(chunk)

    def _drain(self, length: int) -> None:
        while length > 0:
            chunk = self.rfile.read(min(CHUNK, length))
            if not chunk:
                return
            length -= len(chunk)

    def _break(self) -> None:
        """Close with a reset, so that the client does not take it for an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.close(self.connection)

    def _date(self) -> None:
        self.send_header("Date", formatdate(time.time() + self.server.faults.skew, usegmt=True))

    def _answer(self, refusal: Refusal) -> None:
        body = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
        ).encode()
        self._send(refusal.status, "application/xml", body)

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response_only(status)
        self._date()
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _steer(self) -> None:
        given = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"null")
        what = urllib.parse.urlsplit(self.path)
        answer: Any = None
        if what.path == "/-/faults":
            self.server.faults.configure(given)
        elif what.path == "/-/locked":
            self.server.strictness.locked = [str(prefix) for prefix in given]
        elif what.path == "/-/skew":
            self.server.faults.skew = float(given)
        elif what.path == "/-/seen":
            answer = self.server.faults.seen(urllib.parse.parse_qs(what.query)["prefix"][0])
        self._send(200, "application/json", json.dumps(answer).encode())


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--marker", help="by which the lab finds this process")
    parser.add_argument("--listen", required=True, help="address:port")
    parser.add_argument("--store", required=True, help="address:port")
    parser.add_argument("--filer", required=True, help="address:port")
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    options = parser.parse_args()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(options.certificate, options.key)

    def address(text: str) -> tuple[str, int]:
        host, _, port = text.rpartition(":")
        return host, int(port)

    Proxy(address(options.listen), address(options.store), address(options.filer), tls).serve_forever()


if __name__ == "__main__":
    main()
