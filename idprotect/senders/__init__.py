"""Messages that leave the house, by text message or mail, and what every way of sending them has in common.

Each way is one small class with one method, `send()`. Which one is used is configuration; whether a message
may be sent at all (budgets, cool-downs, allowed numbers) was decided before.
"""

import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from idprotect.errors import IDProtectError

Channel = Literal["sms", "mail"]

#: A page waits for the message it sends, and answers within two seconds whatever the provider does.
LONGEST_WAIT: Final = 2.0
PATIENCE: Final = 1.8

#: Calls that were given up may still hang in a name server's silence. Past this number no new one is begun.
_places = threading.BoundedSemaphore(32)


class SendError(IDProtectError):
    """The message was not sent, or nobody knows. The text is fit for logs: no address, code or credential."""


class Gone(SendError):
    """The other side wants to hear nothing more, ever: there is no use in trying again."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person.

    Address and body stay out of `repr()`, and so out of logs and error reports: the body carries a code.

    :param unsubscribe_url: where mail programs end mail of this purpose by one request (RFC 8058).
    :param purpose: what it is for, such as "sign_in_code"; for the log and for the provider's statistics.
    :param id: stays the same when the same message is sent again, so that a provider can drop the second.
    """

    channel: Channel
    to: str = field(repr=False)
    subject: str | None
    body: str = field(repr=False)
    purpose: str
    unsubscribe_url: str | None = field(default=None, repr=False)
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))


class Sender(Protocol):
    """A way to send messages."""

    def send(self, message: Message) -> None:
        """Hand the message over.

        :raises SendError: it was not taken, or not in time.
        """


class Attempt:
    """One call to a provider, which can be called off from another thread while it runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_over = False
        self._connection: socket.socket | None = None

    def uses(self, connection: socket.socket | None) -> None:
        """Remember the connection that has to be cut; stop here when the attempt was called off already.

        Otherwise a connection that took too long would still deliver what the page called a failure.
        """
        with self._lock:
            self._connection = connection
            if self._is_over:
                if connection is not None:
                    connection.close()
                raise SendError("called off")

    def call_off(self) -> None:
        """Cut the connection, which wakes the thread that waits for it."""
        with self._lock:
            self._is_over = True
            if self._connection is not None:
                with suppress(OSError):
                    # Not SSLSocket.shutdown(), which pulls the rug from under a thread that is reading.
                    socket.socket.shutdown(self._connection, socket.SHUT_RDWR)


def within(seconds: float, call: Callable[[Attempt], None]) -> None:
    """Run a call to a provider in a thread of its own, and leave it behind when its time is over.

    Timeouts of sockets are not enough: they count from one byte to the next, so a peer that drips holds the
    page for minutes, and looking up a name has none.

    :raises SendError: whatever went wrong, told without the texts of foreign exceptions, which quote secrets.
    """
    if not _places.acquire(blocking=False):
        raise SendError("too many messages are under way")
    attempt, outcome = Attempt(), Future[None]()
    try:
        threading.Thread(target=_run, args=(call, attempt, outcome), name="sender", daemon=True).start()
    except RuntimeError:  # no more threads
        _places.release()
        raise SendError("too many messages are under way") from None
    try:
        error = outcome.exception(seconds)
    except TimeoutError:
        attempt.call_off()
        raise SendError("there was no answer in time") from None
    if isinstance(error, SendError):
        raise error
    if error is not None:
        raise SendError(f"sending failed: {type(error).__name__}")


def _run(call: Callable[[Attempt], None], attempt: Attempt, outcome: Future[None]) -> None:
    try:
        call(attempt)
    except BaseException as error:
        outcome.set_exception(error)
    else:
        outcome.set_result(None)
    finally:
        _places.release()


def patience(seconds: float) -> float:
    """Check a configured time limit."""
    if not 0 < seconds <= LONGEST_WAIT:
        raise ValueError(f"a sender may take more than 0 and at most {LONGEST_WAIT} seconds")
    return seconds
