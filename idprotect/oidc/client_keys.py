"""The public keys of clients: registered by value, or fetched from where the client keeps them, and then cached."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock

from joserfc.jwk import KeySet

from idprotect import clock, key_sets
from idprotect.models import ClientRules, session
from idprotect.oidc import document_clients
from idprotect.runtime import reach, runtime
from idprotect.senders import SendError
from idprotect.senders.outgoing import Reach, get

#: For so long fetched keys are not asked for again, unless one comes that is not among them.
FRESH = timedelta(minutes=10)
#: At most so often a client's URL is asked, whatever its tokens name.
PAUSE = timedelta(minutes=1)
#: Keys are good for so long while their URL does not answer.
PATIENCE = timedelta(hours=12)
#: Of so many URLs a process remembers the keys: of those that were used last.
MOST_URLS = 1000
NEVER = datetime.min.replace(tzinfo=UTC)


class KeysUnknown(Exception):
    """There are no keys of this client now."""


@dataclass(slots=True)
class _Fetched:
    """What one URL answered; the lock is held by the one thread that asks."""

    keys: KeySet | None = None
    fetched_at: datetime = NEVER
    asked_at: datetime = NEVER
    lock: Lock = field(default_factory=Lock)

    def are_good(self, now: datetime) -> bool:
        """Whether there are keys that have not been out of sight for too long."""
        return self.keys is not None and now - self.fetched_at < PATIENCE

    def needs(self, kid: str | None, now: datetime) -> bool:
        """Whether to ask: a key that is not known may be new."""
        if now - self.asked_at < PAUSE:
            return False
        is_known = self.keys is not None and (kid is None or any(key.kid == kid for key in self.keys))
        return not is_known or now - self.fetched_at >= FRESH


class KeyCache:
    """The keys that one process fetched, by URL."""

    def __init__(self) -> None:
        self._by_url: dict[str, _Fetched] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        """Of how many URLs something is remembered."""
        return len(self._by_url)

    def of(self, url: str, kid: str | None, reach: Reach) -> KeySet:
        """Return the keys that are at a URL, asking it where they are not known.

        While one thread asks, the others go on with the keys that there are, and wait only where there are none.

        :raises KeysUnknown: it does not answer, or not with keys.
        """
        found, now = self._find(url), clock.now()
        if found.lock.acquire(blocking=not found.are_good(now)):
            try:
                _renew(found, url, kid, reach)
            finally:
                found.lock.release()
        if found.keys is None or not found.are_good(now):
            raise KeysUnknown
        return found.keys

    def _find(self, url: str) -> _Fetched:
        """Return what is remembered of a URL, and forget those that were not used for longest."""
        with self._lock:
            found = self._by_url.pop(url, None) or _Fetched()
            self._by_url[url] = found
            while len(self._by_url) > MOST_URLS:
                del self._by_url[next(iter(self._by_url))]
            return found


def _renew(found: _Fetched, url: str, kid: str | None, reach: Reach) -> None:
    """Ask a URL where that is due; its lock is held."""
    now = clock.now()
    if found.needs(kid, now):
        found.asked_at = now
        if (keys := _fetch(url, reach)) is not None:
            found.keys, found.fetched_at = keys, now


def of(client: ClientRules, kid: str | None) -> KeySet:
    """Return a client's keys as they are registered, or fetched, now.

    :param kid: of the key that is looked for; keys are fetched anew when it is not among those known.
    :raises KeysUnknown: there are none.
    """
    if client.jwks is not None:
        return key_sets.load(client.jwks)
    if client.jwks_uri is None:
        raise KeysUnknown
    session().commit()  # nothing is held while the application takes its time
    cache: KeyCache = runtime().client_keys
    allowed = document_clients.reach_of_strangers() if client.by_document else reach()
    return cache.of(client.jwks_uri, kid, allowed)


def _fetch(url: str, reach: Reach) -> KeySet | None:
    try:
        document = get(url, accept="application/jwk-set+json, application/json", reach=reach)
        return key_sets.load(json.loads(document))
    except (SendError, ValueError, RecursionError):
        return None
