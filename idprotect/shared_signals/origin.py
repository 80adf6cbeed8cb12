"""What follows here from an event that another system told us: it is not told back to where it came from.

Two servers that listen to each other would otherwise go on for ever telling each other the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from idprotect.models import SignalStream


@dataclass(frozen=True, slots=True)
class Origin:
    """Who told it.

    :param application_id: its client id here, if it has one.
    :param txn: under which it was told (RFC 8417 section 2.2): what follows from it goes on under the same.
    """

    issuer: str
    application_id: str | None
    txn: str

    def is_at(self, stream: SignalStream) -> bool:
        """Whether a stream leads back there: it is that application's, or ends at that issuer."""
        if stream.client_id == self.application_id:
            return True
        return (stream.endpoint_url or "").startswith(f"{self.issuer.rstrip('/')}/")


_current: ContextVar[Origin | None] = ContextVar("idprotect_signal_origin", default=None)


def current() -> Origin | None:
    """Return what is being followed here and now, None when nobody told us."""
    return _current.get()


@contextmanager
def following(origin: Origin) -> Iterator[None]:
    """Let what happens within this context follow from an event."""
    token = _current.set(origin)
    try:
        yield
    finally:
        _current.reset(token)
