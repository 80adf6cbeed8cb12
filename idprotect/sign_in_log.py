"""The stored sign-ins, read back as a log that a replay can judge: a stream, oldest first."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import and_, select

from idprotect.models import Device, SignIn, session, table_of
from idprotect.replay import Past
from idprotect.risk import Attempt, Result, RiskLevel

BATCH = 500
_sign_ins, _devices = table_of(SignIn), table_of(Device)
_LOG = (
    select(_sign_ins, _devices.c.browser_id)
    .join_from(
        _sign_ins,
        _devices,
        and_(_devices.c.device_hash == _sign_ins.c.device_hash, _devices.c.user_id == _sign_ins.c.user_id),
        isouter=True,
    )
    .where(~_sign_ins.c.simulated)
    .order_by(_sign_ins.c.signed_in_at, _sign_ins.c.id)
)


def log() -> Iterator[Past]:
    """Yield every sign-in that happened, and what came of it as far as that is stored. Uses of sessions are not."""
    for row in session().execute(_LOG.execution_options(yield_per=BATCH)):
        if row.signals:  # a row of an older version has none
            yield Past(row.id, Attempt.from_dict(row.signals), _result(row), row.browser_id, row.id)


def _result(row: Any) -> Result | None:
    """Return what came of a sign-in; None where nothing did, or where nothing may be learnt of it."""
    if not row.succeeded:
        return Result.FAILURE
    if row.teaches is False:
        return None
    if row.completed_at is None:
        return Result.BLOCKED if row.risk_level >= RiskLevel.MEDIUM else None
    has_proved = row.risk_level > RiskLevel.NONE and "mfa" in row.amr
    return Result.CHALLENGE_PASSED if has_proved else Result.SUCCESS
