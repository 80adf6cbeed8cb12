"""Real HTTP on a free port of this machine, from a thread of this process."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from wsgiref.types import WSGIApplication

from werkzeug.serving import WSGIRequestHandler, make_server


class _Quiet(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write no line per request."""


@contextmanager
def serve(build: Callable[[str], WSGIApplication], *, name: str = "127.0.0.1") -> Iterator[str]:
    """Run ``build(url)`` and yield the URL, ``http://<name>:<port>``; ``localhost`` is another site.

    The port is bound before the application is built, so that its own URL can be part of its configuration.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        url = f"http://{name}:{listener.getsockname()[1]}"
        server = make_server(
            "127.0.0.1",
            listener.getsockname()[1],
            build(url),
            threaded=True,
            request_handler=_Quiet,
            fd=listener.fileno(),
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
