"""A small HTTP/1.1 client over one loopback connection: cheap, because it shares the cores with the server.

It keeps connections alive where the server lets it and opens a new one where not. A request whose reused
connection turns out closed is sent once more, as browsers do.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass, field

TIMEOUT = 30.0
Headers = list[tuple[str, str]]


class HttpError(Exception):
    """The server's answer was not HTTP, or it never came."""


class ConnectionClosed(HttpError):
    """The connection ended before the first byte of an answer."""


@dataclass
class Response:
    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that lower-case name."""
        return next((value for key, value in self.headers if key == name), None)

    def all_headers(self, name: str) -> Iterable[str]:
        return (value for key, value in self.headers if key == name)


@dataclass
class HttpConnection:
    host: str
    port: int
    requests: int = 0
    _socket: socket.socket | None = field(default=None, repr=False)
    _buffer: bytes = field(default=b"", repr=False)

    def request(self, method: str, path: str, headers: str = "", body: bytes = b"") -> Response:
        """Send one request and read its whole answer; ``headers`` are lines that end in CRLF."""
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n{headers}{length}\r\n"
        message = head.encode("latin-1") + body
        self.requests += 1
        was_open = self._socket is not None
        try:
            return self._exchange(message)
        except (ConnectionClosed, ConnectionError):
            self.close()
            if not was_open:
                raise
            return self._exchange(message)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def _exchange(self, message: bytes) -> Response:
        if self._socket is None:
            self._socket = socket.create_connection((self.host, self.port), timeout=TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        status, headers = parse_head(self._read_head())
        named = dict(headers)
        if status in (204, 304):
            body = b""
        elif "content-length" in named:
            body = self._read(int(named["content-length"]))
        elif named.get("transfer-encoding", "").lower() == "chunked":
            body = self._read_chunks()
        else:
            body = self._read_to_end()
        if named.get("connection", "").lower() == "close":
            self.close()
        return Response(status, headers, body)

    def _receive(self) -> bytes:
        assert self._socket is not None
        return self._socket.recv(65536)

    def _fill(self) -> None:
        received = self._receive()
        if not received:
            raise HttpError("the connection was closed in the middle of an answer")
        self._buffer += received

    def _read_head(self) -> bytes:
        while b"\r\n\r\n" not in self._buffer:
            received = self._receive()
            if not received:
                raise ConnectionClosed("the connection was closed before the answer")
            self._buffer += received
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head

    def _read(self, length: int) -> bytes:
        while len(self._buffer) < length:
            self._fill()
        content, self._buffer = self._buffer[:length], self._buffer[length:]
        return content

    def _read_line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _read_chunks(self) -> bytes:
        chunks = []
        while size := int(self._read_line().partition(b";")[0], 16):
            chunks.append(self._read(size))
            self._read_line()
        while self._read_line():
            pass
        return b"".join(chunks)

    def _read_to_end(self) -> bytes:
        while received := self._receive():
            self._buffer += received
        body = self._buffer
        self.close()
        return body


def parse_head(head: bytes) -> tuple[int, Headers]:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    if not version.startswith("HTTP/1."):
        raise HttpError(f"not an HTTP answer: {status_line[:80]!r}")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        headers.append((name.strip().lower(), value.strip()))
    return int(rest[:3]), headers
