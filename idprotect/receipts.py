"""The stored decisions, read back as a log: a stream, one sign-in after the other."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from idprotect import policies
from idprotect.conditional_access import AccessRequest, PolicySet, evaluate
from idprotect.insights.log import Entry, decide
from idprotect.models import Receipt, SignIn, session, table_of

BATCH = 500
_receipts, _sign_ins = table_of(Receipt), table_of(SignIn)
_LOG = (
    select(
        _receipts.c.sign_in_id,
        _receipts.c.reference,
        _receipts.c.policy_version,
        _receipts.c.facts,
        _sign_ins.c.ip_address,
    )
    .join_from(_receipts, _sign_ins, _sign_ins.c.id == _receipts.c.sign_in_id, isouter=True)
    .where(_sign_ins.c.simulated.is_not(True))
    .order_by(_receipts.c.sign_in_id, _receipts.c.id)
)


def log(since: datetime | None = None, *, against: PolicySet | None = None) -> Iterator[Entry]:
    """Yield the decisions from a moment on, but for simulated ones; those of one sign-in follow one another.

    :param against: judge what was *before* by these policies; otherwise by those that were in force then.
    """
    statement: Select[Any] = _LOG if since is None else _LOG.where(_receipts.c.at >= since)
    for row in session().execute(statement.execution_options(yield_per=BATCH)):
        request = AccessRequest.from_dict(row.facts)
        if against is None:
            before = evaluate(policies.load(row.policy_version), request)
        else:
            before = decide(against, request, row.ip_address)
        yield Entry(request, before, row.sign_in_id, row.reference, row.ip_address)
