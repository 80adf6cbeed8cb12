"""A server on this machine that has documents: what a client says of itself, and its keys."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Sheet:
    """What is answered at one path.

    :ivar waits: is called before the answer.
    """

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    waits: Callable[[], object] = lambda: None


@dataclass
class Shelf:
    """The documents by path, and which were asked for."""

    url: str = ""
    sheets: dict[str, Sheet] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def put(self, path: str, document: Any, **more: Any) -> str:
        """Put a document somewhere; return its URL."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"Content-Type": "application/json", **more.pop("headers", {})}
        self.sheets[path] = Sheet(body, headers=headers, **more)
        return self.url + path


@contextmanager
def documents() -> Iterator[Shelf]:
    """Serve documents on the loopback address."""
    shelf = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shelf.asked.append(self.path)
            shelf.headers.append({name.lower(): text for name, text in self.headers.items()})
            sheet = shelf.sheets.get(self.path, Sheet(b"", 404))
            sheet.waits()
            self.send_response(sheet.status)
            for name, value in sheet.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(sheet.body)))
            self.end_headers()
            self.wfile.write(sheet.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shelf.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield shelf
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
