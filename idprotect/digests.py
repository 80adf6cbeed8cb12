"""A mail to administrators each Monday: what the week was like, in the numbers of the console's lists."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from idprotect import clock, mails, progress
from idprotect.lists import LISTINGS, paging
from idprotect.lists.listing import Asked
from idprotect.models import Unsubscribed, dialect, insert, session
from idprotect.runtime import runtime, settings

NAME = "digest"
WEEK = timedelta(days=7)
#: Weeks begin on Monday at six o'clock (UTC).
FIRST_WEEK = datetime(1970, 1, 5, 6, tzinfo=UTC)
#: Words, the list behind the number, and its filters.
COUNTS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("People at high risk now", "risky_users", {"level": "high", "state": "open"}),
    ("People at risk now", "risky_users", {"state": "open"}),
    ("People whose risk changed", "risky_users", {"within": "7d"}),
    ("People who recovered", "risky_users", {"state": "remediated", "within": "7d"}),
    ("Risky sign-ins", "risky_sign_ins", {"within": "7d"}),
    ("Risky sign-ins that got in", "risky_sign_ins", {"within": "7d", "outcome": "completed"}),
    ("Detections", "detections", {"within": "7d"}),
    ("Sign-ins stopped by a policy", "sign_ins", {"decision": "blocked", "within": "7d"}),
    ("Second factor overdue", "users", {"factor": "overdue"}),
)


def are_wanted() -> bool:
    """Whether there is a digest, and a way to send it."""
    return settings().digest and mails.are_sent()


def queue_due() -> int:
    """Put the digest of the week that ended into the outbox, once; return how many mails. Commits."""
    if not are_wanted():
        return 0
    week, last = (clock.now() - FIRST_WEEK) // WEEK, progress.of(NAME)
    if last is None:
        progress.begin(NAME, week)
    elif last < week and progress.move(NAME, last, week):
        queued = queue()
        session().commit()
        return queued
    session().commit()
    return 0


def queue() -> int:
    """Put a digest of the last seven days into the outbox; return how many mails."""
    body, wanting = text(), [address for address in mails.recipients() if not is_unsubscribed(address)]
    for address in wanting:
        url = unsubscribe_url(address)
        end = f"No more of these: {url}\n"
        mails.put(
            address, f"{settings().brand_name}: the week", f"{body}\n{end}", "digest", unsubscribe_url=url
        )
    return len(wanting)


def text() -> str:
    """Return what the mail says."""
    until = clock.now()
    lines = [f"The seven days until {until:%Y-%m-%d %H:%M} UTC at {settings().brand_name}:", ""]
    for words, name, filters in COUNTS:
        count = paging.count(Asked.of(LISTINGS[name], MultiDict(filters)))
        number = f"more than {paging.COUNTED}" if count > paging.COUNTED else str(count)
        lines += [f"{words}: {number}", *_link(name, filters)]
    return "\n".join([*lines, "", settings().issuer, ""])


def _link(name: str, filters: Mapping[str, str]) -> list[str]:
    if not settings().admin_path:
        return []
    page = f"{settings().issuer}{settings().admin_path}/{name.replace('_', '-')}/"
    return [f"  {page}?{urlencode(filters)}"]


# Who does not want it


def unsubscribe_url(address: str) -> str:
    """Return the link that ends it for an address; it needs no sign-in (RFC 8058)."""
    return f"{settings().issuer}/digest/unsubscribe/{_serializer().dumps(address)}"


def read_link(token: str) -> str | None:
    """Return the address of a link; None when we did not make it."""
    try:
        address = _serializer().loads(token)
    except BadSignature:
        return None
    return address if isinstance(address, str) else None


def unsubscribe(address: str) -> None:
    """Send an address no more digests."""
    row = insert(Unsubscribed, dialect()).values(address_hash=_hash(address), at=clock.now())
    session().execute(row.on_conflict_do_nothing())


def subscribe(address: str) -> None:
    """Send an address digests again."""
    row = session().get(Unsubscribed, _hash(address))
    if row is not None:
        session().delete(row)


def is_unsubscribed(address: str) -> bool:
    """Whether an address wants none."""
    found = select(Unsubscribed.at).where(Unsubscribed.address_hash == _hash(address))
    return session().scalar(found) is not None


def _hash(address: str) -> str:
    return runtime().keys.keyed_hash("digest", address.lower())


def _serializer() -> URLSafeSerializer:
    return URLSafeSerializer(runtime().keys.app_secret, salt="idprotect.digest")
