"""Risk of applications that act for themselves: where each came from, what was found, and how it is closed.

What is suspicious stands in :mod:`idprotect.risk.workload`. There is a row for each client and autonomous system,
and one for each burst that nobody closed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Executable, and_, bindparam, case, delete, exists, func, select, update

from idprotect import address_trust, audit, browser, clock
from idprotect.audit import Event
from idprotect.errors import InteractionError
from idprotect.models import Client, ClientBurst, ClientNetwork, dialect, insert, run, session, table_of
from idprotect.risk import RiskLevel
from idprotect.risk.workload import (
    BURST,
    UNKNOWN,
    Anomaly,
    Baseline,
    Origin,
    burst,
    client_risk,
    judge_origin,
    surplus,
)
from idprotect.runtime import network_of, runtime, settings

#: How often a network that is well known is looked at and counted, lest all requests of a client wait for one row.
COUNTED_EVERY = timedelta(minutes=1)
MOST_REMEMBERED = 4096
#: What a client did far too much, in words.
BURSTS = {
    "reads": "it read far more at the API within an hour than programs do",
    "acts": "it acted far more at the API within an hour than programs do",
}

_table = table_of(ClientNetwork)
_row = _table.c
_of_client = _row.client_id == bindparam("of_client")
_READ = select(_table).where(_of_client).order_by(_row.first_at)
_COUNT = (
    update(_table)
    .where(_of_client, _row.asn == bindparam("from_asn"))
    .values(times=_row.times + 1, last_at=bindparam("now"))
)
_FORGET = delete(_table).where(_of_client, _row.asn.in_(bindparam("asns", expanding=True)))
_AT_RISK = _row.risk_level > RiskLevel.NONE
_TRUST = update(_table).where(_of_client, _AT_RISK).values(risk_level=RiskLevel.NONE).returning(_row.asn)
_DISTRUST = delete(_table).where(_of_client, _AT_RISK).returning(_row.asn)
_burst = table_of(ClientBurst)
_of_burst = _burst.c.client_id == bindparam("of_client")
_BURSTS = select(_burst.c.what, _burst.c.at).where(_of_burst)
_END_BURSTS = delete(_burst).where(_of_burst).returning(_burst.c.what)
_of_networks = (
    select(func.coalesce(func.max(_row.risk_level), int(RiskLevel.NONE)))
    .where(_row.client_id == Client.id)
    .scalar_subquery()
)
_is_bursting = exists().where(_burst.c.client_id == Client.id)
#: The risk of a client, in statements about clients.
LEVEL = case((and_(_is_bursting, _of_networks < int(BURST)), int(BURST)), else_=_of_networks)


def observe(client_id: str) -> None:
    """Judge right credentials by where they came from, and remember that."""
    address = browser.ip_address()
    if address_trust.why_not(is_direct=browser.is_direct()):
        address = None
    network = network_of(address) if address is not None else None
    asn = (network.asn if network is not None else None) or UNKNOWN
    if _was_just_counted(client_id, asn):
        return
    known = origins(client_id)
    answer = judge_origin(asn, known, clock.now(), baseline())
    level = answer.level if isinstance(answer, Anomaly) else RiskLevel.NONE
    is_new = _remember(client_id, asn, level, known)
    if is_new and isinstance(answer, Anomaly):  # of two requests at one moment, one tells
        _tell(client_id, answer, organisation=network.organisation if network is not None else None)


def observe_burst(client_id: str, what: str, count: int) -> None:
    """Hold against a client that it does far too much; once, until somebody closes it."""
    now, insertion = clock.now(), insert(ClientBurst, dialect())
    added = session().scalar(
        insertion.values(client_id=client_id, what=what, at=now)
        .on_conflict_do_nothing()
        .returning(ClientBurst.client_id)
    )
    if added is not None:
        _tell(client_id, burst(what, count))


def origins(client_id: str) -> list[Origin]:
    """Return where a client came from, the first first."""
    rows = run(_READ, of_client=client_id)
    return [Origin(r.asn, r.first_at, r.last_at, r.times, RiskLevel(r.risk_level)) for r in rows]


def baseline() -> Baseline:
    """Return how long a client is being learnt."""
    return Baseline(settings().client_learning_days, settings().client_learning_grants)


def bursts(client_id: str) -> Mapping[str, datetime]:
    """Return of what a client did far too much, and when that was found."""
    found = run(_BURSTS, of_client=client_id)
    return {row.what: row.at for row in found}


def risk(client_id: str) -> RiskLevel:
    """Return how likely it is that somebody else has a client's credentials."""
    return max(client_risk(origins(client_id)), BURST if bursts(client_id) else RiskLevel.NONE)


def reasons(client_id: str) -> list[str]:
    """Return why a client is at risk, in sentences with values; nothing when it is not."""
    strange = [origin for origin in origins(client_id) if origin.level]
    return [_came_from(origin) for origin in strange] + [
        f"{BURSTS[what]}; found {_said(at)}" for what, at in sorted(bursts(client_id).items())
    ]


def is_learning(client_id: str) -> str:
    """Return why the networks of a client mean nothing yet; empty when they do."""
    return baseline().reason(origins(client_id), clock.now())


def is_blocked(client_id: str) -> bool:
    """Whether what a client holds is refused, because it is at risk and ``IDPROTECT_BLOCK_RISKY_CLIENTS`` says so."""
    return settings().block_risky_clients and risk(client_id) > RiskLevel.NONE


def dismiss(client_id: str, by: str, reason: str) -> None:
    """Say that the client's risk is void: it does come from there, and the network is known from now on.

    :raises InteractionError: when it is not at risk.
    """
    asns, ended = _changed(_TRUST, client_id), _changed(_END_BURSTS, client_id)
    if not asns and not ended:
        raise InteractionError("the client is not at risk")
    audit.record(
        Event.CLIENT_DISMISSED, actor=by, client_id=client_id, reason=reason, asns=asns, bursts=ended
    )


def remediate(client_id: str, by: str) -> None:
    """Close the client's risk, because its credentials are new: who came from elsewhere has them no more."""
    asns, ended = _changed(_DISTRUST, client_id), _changed(_END_BURSTS, client_id)
    if asns or ended:
        audit.record(Event.CLIENT_REMEDIATED, actor=by, client_id=client_id, asns=asns, bursts=ended)


def _came_from(origin: Origin) -> str:
    often = "once" if origin.times == 1 else f"{origin.times} times"
    when = f"first {_said(origin.first_at)}, last {_said(origin.last_at)}"
    return f"its credentials were used {often} from AS{origin.asn}, where it never came from before; {when}"


def _said(at: datetime) -> str:
    return f"{at:%d %B %Y, %H:%M UTC}"


def _tell(client_id: str, anomaly: Anomaly, **more: str | None) -> None:
    audit.record(
        Event.CLIENT_ANOMALOUS,
        actor="system",
        client_id=client_id,
        level=anomaly.level.label,
        reasons=list(anomaly.reasons),
        **anomaly.evidence,
        **more,
    )


def _remember(client_id: str, asn: int, level: RiskLevel, known: list[Origin]) -> bool:
    """Count a network of a client, every time while that is learnt from; return whether it was new."""
    now = clock.now()
    if (origin := next((origin for origin in known if origin.asn == asn), None)) is not None:
        run(_COUNT, of_client=client_id, from_asn=asn, now=now)
        if origin.times >= settings().client_learning_grants:
            _note_count(client_id, asn, now)
        return False
    added = run(_add_statement(dialect()), client_id=client_id, asn=asn, now=now, level=level)
    if forgotten := surplus([*known, Origin(asn, now, now, 1, level)], level):
        run(_FORGET, of_client=client_id, asns=forgotten)
    return bool(added.rowcount)


def _was_just_counted(client_id: str, asn: int) -> bool:
    counted_at = runtime().networks_counted.get((client_id, asn))
    return counted_at is not None and timedelta() <= clock.now() - counted_at < COUNTED_EVERY


def _note_count(client_id: str, asn: int, now: datetime) -> None:
    counted = runtime().networks_counted
    if len(counted) >= MOST_REMEMBERED:
        counted.clear()
    counted[client_id, asn] = now


def _changed(statement: Executable, client_id: str) -> list[Any]:
    return sorted(run(statement, of_client=client_id).scalars())


@cache
def _add_statement(dialect_name: str) -> Executable:
    now = bindparam("now", type_=_row.first_at.type)
    values = {
        "client_id": bindparam("client_id"),
        "asn": bindparam("asn"),
        "first_at": now,
        "last_at": now,
        "times": 1,
        "risk_level": bindparam("level"),
    }
    # Without the option the count of an INSERT is lost with psycopg's cursor.
    return (
        insert(ClientNetwork, dialect_name)
        .values(values)
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True)
    )
