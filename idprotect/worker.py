"""What is done beside requests: signal sources are polled, whatever waits is sent, and what happened is put into the
outbox for whom it concerns.

By a thread of each server process, by a command that cron starts, or by one that goes on for ever: each round is the
same, and any number of workers share it.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Lock, Thread

from flask import Flask

from idprotect import alerts, deliveries, digests, mails, sessions, webhooks
from idprotect.mails import MAILS
from idprotect.models import session
from idprotect.oidc.logout_tokens import KIND as LOGOUT_TOKEN
from idprotect.oidc.logout_tokens import LOGOUT_TOKENS
from idprotect.shared_signals.telling import KIND as SIGNAL
from idprotect.shared_signals.telling import SIGNALS_TO_SEND
from idprotect.signal_sources import polling, receiving
from idprotect.webhooks import WEBHOOKS

log = logging.getLogger("idprotect.worker")

KINDS: Mapping[str, deliveries.Kind] = {
    LOGOUT_TOKEN: LOGOUT_TOKENS,
    webhooks.KIND: WEBHOOKS,
    SIGNAL: SIGNALS_TO_SEND,
    mails.KIND: MAILS,
}
#: Who hears what others have to tell.
HEARING: Sequence[Callable[[], int]] = (polling.poll_due, receiving.act_on_released)
#: Who finds what has to be told.
DUTIES: Sequence[Callable[[], int]] = (webhooks.queue_news, alerts.queue_due, digests.queue_due)
#: So often a round is made while a webhook wants to hear of what happens, or else administrators do, in seconds.
ROUND, SLOW_ROUND = 2.0, 20.0
#: A process in which nothing waits looks again after so many seconds, if there are requests.
REST = 15.0


def deliver_due(seconds: float = 60) -> dict[str, int]:
    """Send whatever's time has come. Commits."""
    return deliveries.deliver_due(KINDS, seconds)


def work() -> dict[str, int]:
    """Make a round. Commits."""
    heard = sum(_done(duty) for duty in HEARING)
    return {"heard": heard, "queued": sum(_done(duty) for duty in DUTIES), **deliver_due()}


def work_thoroughly() -> dict[str, int]:
    """Make a round, and look for sign-ins that ran out as well, which goes through many of them. Commits."""
    expired = sessions.expire()
    session().commit()
    return {"expired": expired, **work()}


def pause() -> float | None:
    """Return the seconds until the next round, None when nothing waits and nobody wants to hear of anything."""
    waits = [deliveries.seconds_until_due(), polling.seconds_until_due(), receiving.seconds_until_released()]
    waits += [ROUND] if webhooks.are_wanted() else []
    waits += [SLOW_ROUND] if alerts.are_wanted() or digests.are_wanted() else []
    return min((wait for wait in waits if wait is not None), default=None)


def _done(duty: Callable[[], int]) -> int:
    """Do one duty; when it fails, the others are not in vain, and the next round tries again."""
    try:
        return duty()
    except Exception:
        session().rollback()
        log.exception("a duty was not done")
        return 0


class Courier:
    """A thread of one process that works while there is something to do, and ends when there is not."""

    def __init__(self, app: Flask) -> None:
        self._app, self._lock, self._news = app, Lock(), Event()
        self._is_running = False
        self._ended_at = -REST

    @property
    def has_rested(self) -> bool:
        """Whether it is time to look whether somebody wants to hear of something by now."""
        return not self._is_running and time.monotonic() - self._ended_at >= REST

    def wake(self) -> None:
        """There is something to do. The thread is started where it is needed: none survives a fork."""
        with self._lock:
            self._news.set()
            if not self._is_running:
                Thread(target=self._run, name="courier", daemon=True).start()
                self._is_running = True

    def _run(self) -> None:
        while True:
            self._news.clear()
            wait = self._work()
            with self._lock:
                if wait is None and not self._news.is_set():
                    self._is_running, self._ended_at = False, time.monotonic()
                    return
            self._news.wait(wait)

    def _work(self) -> float | None:
        try:
            with self._app.app_context():
                work()
                return pause()
        except Exception:  # a database that does not answer now may do so in a minute
            log.exception("the round was not finished")
            return 60.0
