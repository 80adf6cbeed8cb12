"""Applications are watched as administrators are: what they read is in the audit log, and a burst is a risk of theirs.

A program reads all day, so not each request is an event. Of one application and one resource the first read in an hour
is written down, then the tenth, the hundredth, and so on, each at the moment when it happens: whatever somebody does
with a stolen token, it shows at once how much it is, and cannot bury the log.
"""

from datetime import timedelta

from idprotect import audit, throttle, workloads
from idprotect.audit import Event
from idprotect.models import session
from idprotect.runtime import runtime, settings

WITHIN = timedelta(hours=1)


def note_read(client_id: str, resource: str) -> None:
    """Count that an application reads something. Commits.

    :param resource: the ``operationId`` of the route.
    """
    count = _hit(client_id, resource)
    if _is_power_of_ten(count):
        audit.record(
            Event.API_READ, actor=f"client:{client_id}", client_id=client_id, resource=resource, reads=count
        )
    _note(client_id, "reads", settings().api_reads_per_hour)


def note_act(client_id: str) -> None:
    """Count that an application wants to change something, which has events of its own. Commits."""
    _note(client_id, "acts", settings().api_acts_per_hour)


def _note(client_id: str, what: str, limit: int) -> None:
    if _hit(client_id, what) == limit:
        workloads.observe_burst(client_id, what, limit)
    session().commit()


def _hit(client_id: str, what: str) -> int:
    key = runtime().keys.keyed_hash("api", f"{client_id} {what}")
    return throttle.hit(f"api:{key[:40]}", WITHIN)


def _is_power_of_ten(count: int) -> bool:
    return str(count).strip("0") == "1"
