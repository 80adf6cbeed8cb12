"""Requests of one process take turns, so that its threads do not take the interpreter from each other."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: In seconds: longer than nearly every request takes, and too short to be felt.
LONGEST_WAIT = 0.025


class Turns:
    """A WSGI application that lets requests into another one after the other, as long as each is quick.

    One thread at a time runs Python. Several that want to hand that on at each statement to SQLite, a hundred times a
    request, which costs an eighth of it and more. Who is slow, with a password's hash, a gateway or a report, is passed
    by.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application, self._turn = application, threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer when it is this request's turn, or after a moment in any case."""
        is_ours = self._turn.acquire(timeout=LONGEST_WAIT)
        try:
            return self._application(environ, start_response)
        finally:
            if is_ours:
                self._turn.release()
