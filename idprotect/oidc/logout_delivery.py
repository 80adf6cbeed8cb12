"""Telling applications of ended sign-ins: a table is worked off, by a thread of the server or by a command.

A notice is claimed by one conditional write before it is sent, so several workers share the work.
"""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta
from threading import Event, Lock, Thread

from flask import Flask
from sqlalchemy import func, select, update

from idprotect import audit, clock
from idprotect.models import Client, LogoutNotice, rows_changed, session
from idprotect.oidc.logout_tokens import logout_token
from idprotect.runtime import settings
from idprotect.senders import SendError
from idprotect.senders.outgoing import post_form

log = logging.getLogger("idprotect.oidc")

#: How long to wait after each try that failed; after the last one it is given up.
WAITS: Sequence[timedelta] = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
#: A worker that died while it sent is waited for so long.
CLAIM = timedelta(minutes=1)


def deliver_due(seconds: float = 60) -> dict[str, int]:
    """Tell everybody whose time has come, as far as the time allows; return what came of it. Commits."""
    outcomes = {"delivered": 0, "failed": 0}
    started = time.monotonic()
    while time.monotonic() - started < seconds and (notice := _claim()) is not None:
        outcomes["delivered" if _deliver(notice) else "failed"] += 1
    return outcomes


def seconds_until_due() -> float | None:
    """Return when there is something to do, None when nothing waits."""
    due_at = session().scalar(select(func.min(LogoutNotice.due_at)))
    session().rollback()
    return max(0.0, (due_at - clock.now()).total_seconds()) if due_at is not None else None


def _claim() -> LogoutNotice | None:
    """Take one notice that is due, so that nobody else sends it meanwhile."""
    while True:
        now = clock.now()
        due = select(LogoutNotice).where(LogoutNotice.due_at <= now).order_by(LogoutNotice.due_at).limit(1)
        notice = session().scalar(due.execution_options(populate_existing=True))
        if notice is None:
            session().rollback()
            return None
        this = update(LogoutNotice).where(LogoutNotice.id == notice.id, LogoutNotice.due_at == notice.due_at)
        claimed = rows_changed(this.values(due_at=now + CLAIM, tries=LogoutNotice.tries + 1))
        session().commit()
        if claimed:
            session().refresh(notice)
            return notice


def _deliver(notice: LogoutNotice) -> bool:
    """Send one, and write down what came of it."""
    client = session().get(Client, notice.client_id)
    uri, token = None, ""
    if client is not None and client.enabled and client.backchannel_logout_uri is not None:
        uri, token = client.backchannel_logout_uri, logout_token(notice, client)
    session().commit()  # nothing is held while the application takes its time
    answer = _post(uri, token) if uri is not None else "no longer wanted"
    delivered = answer in ("200", "204")
    notice.answer = answer
    if delivered:
        notice.delivered_at, notice.due_at = clock.now(), None
    elif uri is None or notice.tries > len(WAITS):
        notice.due_at = None
        audit.record(
            audit.Event.LOGOUT_NOT_DELIVERED,
            actor="system",
            user_id=notice.user_id,
            sign_in_id=notice.sign_in_id,
            client_id=notice.client_id,
            answer=answer,
        )
    else:
        notice.due_at = clock.now() + WAITS[notice.tries - 1]
    session().commit()
    return delivered


def _post(uri: str, token: str) -> str:
    try:
        return str(post_form(uri, {"logout_token": token}, this_machine=settings().development))
    except SendError as error:
        return str(error)[:128]


class Courier:
    """A thread of one process that works while something waits, and ends when nothing does."""

    def __init__(self, app: Flask) -> None:
        self._app, self._lock, self._news = app, Lock(), Event()
        self._is_running = False

    def wake(self) -> None:
        """There is something to tell. The thread is started where it is needed: none survives a fork."""
        with self._lock:
            self._news.set()
            if not self._is_running:
                Thread(target=self._run, name="courier", daemon=True).start()
                self._is_running = True

    def _run(self) -> None:
        while True:
            self._news.clear()
            pause = self._work()
            with self._lock:
                if pause is None and not self._news.is_set():
                    self._is_running = False
                    return
            self._news.wait(pause)

    def _work(self) -> float | None:
        try:
            with self._app.app_context():
                deliver_due()
                return seconds_until_due()
        except Exception:  # a database that does not answer now may do so in a minute
            log.exception("logout tokens could not be delivered")
            return 60.0
