"""A server on this machine that keeps what it is sent: logout tokens, webhooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import parse_qsl


@dataclass
class Listener:
    """Where something is received.

    :ivar received: forms, read.
    :ivar messages: headers, by their names in small letters, and body.
    :ivar answers: the statuses to answer with, in turn; 200 when there is none left.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    received: list[dict[str, str]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    messages: list[tuple[dict[str, str], str]] = field(default_factory=list)
    heard: Event = field(default_factory=Event)


@contextmanager
def listening() -> Iterator[Listener]:
    """Listen on the loopback address."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            listener.messages.append(({name.lower(): text for name, text in self.headers.items()}, body))
            listener.kinds.append(self.headers["Content-Type"])
            if "form" in listener.kinds[-1]:
                listener.received.append(dict(parse_qsl(body, strict_parsing=True)))
            status = listener.answers.pop(0) if listener.answers else 200
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", listener.url)
            self.send_header("Content-Length", "0")
            self.end_headers()
            listener.heard.set()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.url = f"http://127.0.0.1:{server.server_port}/backchannel"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
