"""Clients that nobody registered: they appear when their metadata document is first asked for, and follow it.

Asking is bounded, for anybody can make us do it: by the address that it comes from, by host, and by URL. A document
that cannot be had, or is not valid, lets nobody in; what was issued stays good meanwhile, for as long as ``PATIENCE``.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from idprotect import browser, clients, clock, throttle
from idprotect.keys import sha256
from idprotect.models import Client, ClientDocument, run, session, table_of
from idprotect.models.base import UtcDateTime
from idprotect.oidc import metadata_documents
from idprotect.registration import Registration, RegistrationError
from idprotect.runtime import reach, settings
from idprotect.senders import SendError
from idprotect.senders.outgoing import Reach, get_described

log = logging.getLogger("idprotect.oidc")

#: Who did it, in the audit log.
ACTOR = "metadata document"
#: A known document is asked for at most so often, whatever comes of it.
PAUSE = timedelta(seconds=30)
#: What a client holds is good for so long while its document cannot be had.
PATIENCE = timedelta(days=1)
#: Documents of clients that are not known yet: of one host in a window, of one URL in a pause.
WINDOW, MOST_OF_HOST, MOST_OF_URL = timedelta(minutes=15), 60, 5
#: How long a client that is seen again and again is not written down as seen.
SEEN_EVERY = timedelta(days=1)

FETCHED = "Its metadata document could not be fetched."
LATELY = "Its metadata document could not be used a moment ago; it is asked for again in half a minute."
TOO_MANY = "Too many metadata documents are asked for; please try again later."

#: Strangers' servers may take their time; whoever is known is not kept waiting by them.
_places = threading.BoundedSemaphore(2)

_clients, _documents = table_of(Client), table_of(ClientDocument)
_STATE = (
    select(_clients.c.by_document, _clients.c.enabled, *(c for c in _documents.c if c.name != "client_id"))
    .select_from(_clients.outerjoin(_documents))
    .where(_clients.c.id == bindparam("url"))
)
_this = _documents.c.client_id == bindparam("url")
_now = bindparam("now", type_=UtcDateTime)
#: Of requests at the same moment one asks.
_CLAIM = (
    update(_documents)
    .where(_this, _documents.c.asked_at <= bindparam("asked_before", type_=UtcDateTime))
    .values(asked_at=_now)
)
_HAVE = (
    update(_documents)
    .where(_this, _documents.c.fetched_at < _now)
    .values(fetched_at=_now, fresh_until=bindparam("until", type_=UtcDateTime), problem="")
)
_HAVE_NOT = update(_documents).where(_this).values(problem=bindparam("why"))
_SEEN = update(_documents).where(_this).values(used_at=_now)


class DocumentRefused(OAuth2Error):  # type: ignore[misc]
    """Whoever is called by this URL is no client; never told by a redirect, for there is no URI to trust.

    :ivar cause: what went wrong, for administrators: strangers are not told what our network looks like.
    """

    error = "invalid_client"
    status_code = 401

    def __init__(self, description: str, cause: str = "") -> None:
        self.cause = cause or description
        # Descriptions have neither quotes nor what lies beyond ASCII (RFC 6749 section 5.2).
        said = "".join(c for c in description if " " <= c <= "~" and c not in '"\\')
        super().__init__(description=said[:1000])


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A document that was good.

    :param at: when it was asked for.
    """

    registration: Registration
    at: datetime
    fresh_until: datetime


def is_accepted(url: str) -> bool:
    """Whether clients are taken that are known by this document alone."""
    return settings().client_id_metadata_documents and metadata_documents.is_of_hosts(
        url, settings().client_document_hosts
    )


def bring(client_id: str) -> None:
    """See to it that a client which is known by its document is as that says now; others are left alone. Commits.

    :raises DocumentRefused: when there is no valid document.
    """
    if (state := _known(client_id)) is _OTHER:
        return
    _check(client_id)
    if state is None:
        _introduce(client_id)
    else:
        _renew(client_id, state)


def follow(client_id: str) -> None:
    """Bring a client that is known already up to date, if that can be done. Commits."""
    state = _known(client_id)
    if state is not None and state is not _OTHER and is_accepted(client_id):
        with suppress(DocumentRefused):
            _renew(client_id, state)


def read_again(url: str) -> None:
    """Ask for the document of a known client now, fresh or not: an administrator wants that. Commits.

    :raises DocumentRefused: when it cannot be used; its ``cause`` tells why.
    """
    _check(url)
    now = clock.now()
    run(_CLAIM, url=url, now=now, asked_before=now)
    _ask(url)


_OTHER: Any = object()


def _known(client_id: str) -> Any:
    """Return how things stand with a document; None: its client is not known. _OTHER: that is no such client."""
    if not metadata_documents.is_url(client_id) or not settings().client_id_metadata_documents:
        return _OTHER
    row = run(_STATE, url=client_id).first()
    return _OTHER if row is not None and not (row.by_document and row.enabled) else row


def _check(url: str) -> None:
    """Refuse a URL that is not asked for anything."""
    if wrong := metadata_documents.problem(url, development=settings().development):
        raise DocumentRefused(f"The client_id is not the URL of a metadata document: {wrong}.")
    if not is_accepted(url):
        raise DocumentRefused("Metadata documents of this host are not accepted.")


def _introduce(url: str) -> None:
    """Let a client appear; of two at the same moment, one stays."""
    _count(url)
    with _place():
        found = _fetch(url)
    times = {"asked_at": found.at, "fetched_at": found.at, "fresh_until": found.fresh_until}
    try:
        clients.create(found.registration, by=ACTOR, client_id=url, by_document=True)
        session().add(ClientDocument(client_id=url, used_at=found.at, **times))
        session().commit()
    except (IntegrityError, RegistrationError):
        session().rollback()  # another request was faster, with the same document


def _renew(url: str, state: Any) -> None:
    """Ask for a document that is not fresh any more, and let its client follow it."""
    now = clock.now()
    if now - state.used_at >= SEEN_EVERY:
        run(_SEEN, url=url, now=now)
        session().commit()
    if state.fresh_until > now:
        return
    is_mine = run(_CLAIM, url=url, now=now, asked_before=now - PAUSE).rowcount == 1
    session().commit()
    if not is_mine:
        if state.problem:
            raise DocumentRefused(LATELY)
        return  # somebody asks at this moment
    _ask(url)


def _ask(url: str) -> None:
    """Ask for a known document, and keep what is wrong with it."""
    try:
        _apply(url, _fetch(url))
    except DocumentRefused as error:
        run(_HAVE_NOT, url=url, why=error.cause)
        session().commit()
        raise


def _apply(url: str, found: _Fetched) -> None:
    """Register a client anew as its document says, but for what is an administrator's to say."""
    if run(_HAVE, url=url, now=found.at, until=found.fresh_until).rowcount == 1:
        client = clients.get(url)
        before = clients.registration_of(client)
        kept = {name: getattr(before, name) for name in clients.NOT_IN_DOCUMENTS}
        wanted = clients.as_stored(replace(found.registration, **kept))
        if wanted != before:
            clients.change(client, wanted, ACTOR, by_itself=True)
    session().commit()


def _fetch(url: str) -> _Fetched:
    """Ask for a document. Nothing is held in the database meanwhile."""
    session().commit()
    now = clock.now()
    try:
        answer = get_described(
            url, accept="application/json", reach=reach_of_strangers(), most=metadata_documents.MAX_BYTES
        )
        if not metadata_documents.is_json(answer.header("content-type")):
            raise SendError("the answer is not application/json")
    except SendError as error:
        log.info("no metadata document: %s", error)
        raise DocumentRefused(FETCHED, str(error)) from None
    try:
        registration = metadata_documents.read(url, answer.content)
    except RegistrationError as error:
        wrong = "; ".join(f"{problem.field}: {problem.message}" for problem in error.problems)
        raise DocumentRefused(f"Its metadata document is not valid: {wrong}.") from None
    seconds = metadata_documents.lifetime(answer.headers, now)
    return _Fetched(registration, now, now + timedelta(seconds=seconds))


def reach_of_strangers() -> Reach:
    """Return where what strangers name may be fetched: networks of ours only where hosts are named, too."""
    return reach() if settings().client_document_hosts else Reach(settings().development)


@contextmanager
def _place() -> Iterator[None]:
    """Take one of the few places for documents that are not known."""
    if not _places.acquire(blocking=False):
        raise DocumentRefused(TOO_MANY)
    try:
        yield
    finally:
        _places.release()


def _count(url: str) -> None:
    """Count a question in advance, so that nobody has us ask many. Commits.

    :raises DocumentRefused: when there were too many.
    """
    network = throttle.network_of(browser.ip_address())
    host = urlsplit(url).hostname or ""
    counters = (
        (f"client-document-address:{network}", settings().client_documents_per_address, WINDOW),
        (f"client-document-host:{sha256(host)[:40]}", MOST_OF_HOST, WINDOW),
        (f"client-document:{sha256(url)[:40]}", MOST_OF_URL, PAUSE),
    )
    for key, limit, window in counters:
        is_beyond = throttle.hit(key, window) > limit
        session().commit()
        if is_beyond:
            raise DocumentRefused(TOO_MANY)
