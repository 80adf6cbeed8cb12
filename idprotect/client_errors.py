"""The last errors of each application, for its developers: collapsed, bounded, written where a request failed anyway.

Anybody can make requests in the name of an application. So nothing is kept but which errors there were and how often;
what repeats is one row, rows are few, and neither grows with the number of requests.
"""

import hashlib
import logging
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from idprotect import clock
from idprotect.models import Client, ClientError, dialect, insert, run, session, table_of

log = logging.getLogger("idprotect.oidc")

#: Rows of one application; the oldest goes.
MOST = 50
#: The same error is written once within this time, whatever its number.
EVERY = timedelta(seconds=1)
#: New kinds of errors of one application in a minute.
NEW_IN_A_MINUTE = 10

_table = table_of(ClientError)
_OF_CLIENT = (
    select(_table.c.digest, _table.c.first_at, _table.c.last_at)
    .where(_table.c.client_id == bindparam("client"))
    .order_by(_table.c.last_at.desc(), _table.c.digest)
)
_IS_THERE = select(Client.id).where(Client.id == bindparam("client"))
_this = (_table.c.client_id == bindparam("client"), _table.c.digest == bindparam("which"))
_AGAIN = update(_table).where(*_this).values(times=_table.c.times + 1, last_at=bindparam("now"))
_FORGET = delete(_table).where(*_this)


def note(client_id: str, endpoint: str, error: str, description: str, redirect_uri: str = "") -> None:
    """Keep an error of an application. Commits; whatever goes wrong here changes no answer.

    :param client_id: as it was claimed; one that does not exist is not noted.
    :param redirect_uri: the one that came, where it was refused.
    """
    try:
        _note(client_id, endpoint, error[:64], description[:256], _without_query(redirect_uri))
        session().commit()
    except SQLAlchemyError as problem:
        session().rollback()
        log.warning("an error of a client could not be noted: %s", type(problem).__name__)


def of(client_id: str) -> Sequence[ClientError]:
    """Return the last errors of an application, the newest first."""
    statement = select(ClientError).where(ClientError.client_id == client_id)
    return session().scalars(statement.order_by(ClientError.last_at.desc(), ClientError.digest)).all()


def _note(client_id: str, endpoint: str, error: str, description: str, sent: str) -> None:
    is_possible = client_id.isascii() and client_id.isprintable()
    if not is_possible or run(_IS_THERE, client=client_id).first() is None:
        return
    now = clock.now()
    known = {row.digest: row for row in run(_OF_CLIENT, client=client_id)}
    digest = hashlib.sha256("\n".join((endpoint, error, description, sent)).encode()).hexdigest()
    if digest in known:
        if now - known[digest].last_at >= EVERY:
            run(_AGAIN, client=client_id, which=digest, now=now)
        return
    if sum(now - row.first_at < timedelta(minutes=1) for row in known.values()) >= NEW_IN_A_MINUTE:
        return
    values = {"endpoint": endpoint, "error": error, "description": description, "sent": sent, "times": 1}
    row = {"client_id": client_id, "digest": digest, **values, "first_at": now, "last_at": now}
    run(insert(ClientError, dialect()).values(row).on_conflict_do_nothing())
    for old in list(known)[MOST - 1 :]:
        run(_FORGET, client=client_id, which=old)


def _without_query(uri: str) -> str:
    """Return what tells which address it was; queries and fragments can have secrets in them."""
    try:
        parts = urlsplit(uri)
        return (
            f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"[
                :256
            ]
            if uri
            else ""
        )
    except ValueError:
        return "no URL"
