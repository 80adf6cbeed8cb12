"""What is deleted or made coarse, and when. Expiry is enforced at every use; this keeps no more than is needed."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, or_, select, update

from idprotect import audit, audit_chain, clock, counts
from idprotect.audit import Event
from idprotect.browser import DEVICE_LIFETIME
from idprotect.event_types import OLDEST_TOKEN
from idprotect.models import (
    AuthorizationCode,
    Challenge,
    Client,
    ClientDocument,
    Consent,
    Delivery,
    Device,
    DeviceGrant,
    InitialAccessToken,
    PairwiseSubject,
    PendingAuthorization,
    PushedRequest,
    Receipt,
    ReceivedSignal,
    RiskDetection,
    RiskHistory,
    RiskProfile,
    SignIn,
    TermsAcceptance,
    Throttle,
    Token,
    UsedJwt,
    User,
    rows_changed,
    session,
)
from idprotect.risk import Network
from idprotect.risk.levels import OPEN_STATES
from idprotect.runtime import settings

#: A used code has to be remembered for as long as its presenter could try it again with effect.
GRACE = timedelta(days=1)
#: Anybody can have us know a client; one whom nobody allows anything is forgotten after so long.
NEVER_ALLOWED = timedelta(days=1)
BATCH = 500
_IS_OPEN = RiskDetection.state.in_([str(state) for state in OPEN_STATES])


def purge() -> dict[str, int]:
    """Delete what has expired, and what is older than the settings keep; return how much. Open risk stays. Commits."""
    return {
        **_expired(),
        **_history(),
        **_habits(),
        "coarse_sign_ins": _coarsen(),
        "coarse_acceptances": _coarsen_acceptances(),
    }


def _expired() -> dict[str, int]:
    now = clock.now()
    expired, old = now - GRACE, now - timedelta(days=settings().keep_sign_ins_days)
    return {
        "pending_authorizations": rows_changed(
            delete(PendingAuthorization).where(PendingAuthorization.expires_at < expired)
        ),
        "used_jwts": rows_changed(delete(UsedJwt).where(UsedJwt.expires_at < now)),
        "device_grants": rows_changed(delete(DeviceGrant).where(DeviceGrant.expires_at < expired)),
        "initial_access_tokens": rows_changed(
            delete(InitialAccessToken).where(InitialAccessToken.expires_at < expired)
        ),
        "pushed_requests": rows_changed(delete(PushedRequest).where(PushedRequest.expires_at < expired)),
        "codes": rows_changed(delete(AuthorizationCode).where(AuthorizationCode.expires_at < expired)),
        "document_clients": _document_clients(now),
        "tokens": rows_changed(delete(Token).where(Token.family_expires_at < expired)),
        "challenges": rows_changed(delete(Challenge).where(Challenge.expires_at < expired)),
        "counters": rows_changed(
            delete(Throttle).where(
                # Consecutive failures are counted over days: a patient guesser must not outwait the count.
                Throttle.updated_at < case((Throttle.key.startswith("password:"), old), else_=expired),
                or_(Throttle.blocked_until.is_(None), Throttle.blocked_until < now),
            )
        ),
        "pairwise_subjects": rows_changed(delete(PairwiseSubject).where(_is_nobody(), ~_is_waited_for())),
        "received_signals": rows_changed(delete(ReceivedSignal).where(*_is_old_signal())),
        "deliveries": rows_changed(
            delete(Delivery).where(
                Delivery.created_at < now - timedelta(days=settings().keep_deliveries_days),
                Delivery.due_at.is_(None),
            )
        ),
    }


def _document_clients(now: datetime) -> int:
    """Forget clients that are known by a document alone and that nobody uses; never one that is blocked."""
    unused = now - timedelta(days=settings().keep_document_clients_days)
    is_needed = or_(
        *(exists().where(row.client_id == Client.id) for row in (Consent, Token, PendingAuthorization))
    )
    never = (Client.created_at < now - NEVER_ALLOWED, ~is_needed)
    is_due = or_(ClientDocument.used_at < unused, and_(*never))
    statement = select(Client.id).join(ClientDocument).where(Client.by_document, Client.enabled, is_due)
    forgotten = session().scalars(statement).all()
    for client_id in forgotten:
        session().execute(delete(Consent).where(Consent.client_id == client_id))
        session().execute(delete(Client).where(Client.id == client_id))
        audit.record(Event.CLIENT_FORGOTTEN, actor="system", client_id=client_id)
    return len(forgotten)


def _is_old_signal() -> tuple[ColumnElement[bool], ...]:
    """What may be forgotten of what others told: not what would be taken once more, nor what somebody may undo."""
    kept = max(timedelta(days=settings().keep_deliveries_days), OLDEST_TOKEN + GRACE)
    what_is_open = select(RiskDetection.id).where(_IS_OPEN)
    return (
        ReceivedSignal.received_at < clock.now() - kept,
        ReceivedSignal.outcome.not_in(("held", "released")),
        or_(ReceivedSignal.detection_id.is_(None), ReceivedSignal.detection_id.not_in(what_is_open)),
    )


def _is_nobody() -> ColumnElement[bool]:
    """Whether the user of a pairwise subject was deleted."""
    return ~exists().where(User.id == PairwiseSubject.user_id)


def _is_waited_for() -> ColumnElement[bool]:
    """Whether an application will still be told of its user, by that subject: without it, it would be a new one."""
    about = Delivery.content["user_id"].as_string()
    return exists().where(Delivery.due_at.is_not(None), about == PairwiseSubject.user_id)


def _history() -> dict[str, int]:
    now, keep = clock.now(), settings()
    old = now - timedelta(days=keep.keep_sign_ins_days)
    at_risk = select(RiskDetection.sign_in_id).where(_IS_OPEN, RiskDetection.sign_in_id.is_not(None))
    # The newest line says how things stand, also of somebody who was deleted.
    newest = select(func.max(RiskHistory.id)).group_by(RiskHistory.user_id)
    return {
        "receipts": rows_changed(
            delete(Receipt).where(Receipt.at < now - timedelta(days=keep.keep_receipts_days))
        ),
        "sign_ins": rows_changed(
            delete(SignIn).where(
                SignIn.signed_in_at < old, SignIn.expires_at < now, SignIn.id.not_in(at_risk)
            )
        ),
        "detections": rows_changed(delete(RiskDetection).where(RiskDetection.closed_at < old, ~_IS_OPEN)),
        "risk_history": rows_changed(
            delete(RiskHistory).where(RiskHistory.at < old, RiskHistory.id.not_in(newest))
        ),
        "audit_events": audit_chain.purge(now - timedelta(days=keep.keep_audit_days)),
    }


def _habits() -> dict[str, int]:
    now = clock.now()
    unused = now - timedelta(days=settings().keep_profiles_days)
    lost = now - timedelta(seconds=DEVICE_LIFETIME)
    return {
        "risk_counts": counts.forget(now.timestamp()),
        "profiles": rows_changed(delete(RiskProfile).where(RiskProfile.changed_at < unused)),
        "browsers": rows_changed(delete(Device).where(Device.last_seen_at < lost)),
    }


def _coarsen() -> int:
    """Keep of an old sign-in's address its neighbourhood, and of its browser what it was. Commits batch by batch."""
    limit = clock.now() - timedelta(days=settings().keep_addresses_days)
    is_due: tuple[ColumnElement[bool], ...] = (SignIn.signed_in_at < limit, ~SignIn.is_coarse)
    rows = select(SignIn.id, SignIn.ip_address, SignIn.signals).where(*is_due).limit(BATCH)
    count = 0
    while found := session().execute(rows).all():
        for row in found:
            coarse = _coarse(row.ip_address)
            signals = dict(row.signals)
            if signals.get("network"):
                signals["network"] = {**signals["network"], "address": coarse}
            values = {"ip_address": coarse, "signals": signals, "session_signals": {}, "user_agent": ""}
            session().execute(update(SignIn).where(SignIn.id == row.id).values(is_coarse=True, **values))
        session().commit()
        count += len(found)
    return count


def _coarsen_acceptances() -> int:
    """Keep of the address at an old acceptance its neighbourhood, too. Commits batch by batch."""
    limit = clock.now() - timedelta(days=settings().keep_addresses_days)
    is_due: tuple[ColumnElement[bool], ...] = (TermsAcceptance.at < limit, ~TermsAcceptance.is_coarse)
    rows = select(TermsAcceptance.id, TermsAcceptance.ip_address).where(*is_due).limit(BATCH)
    count = 0
    while found := session().execute(rows).all():
        for row in found:
            values = {"ip_address": _coarse(row.ip_address), "is_coarse": True}
            session().execute(update(TermsAcceptance).where(TermsAcceptance.id == row.id).values(values))
        session().commit()
        count += len(found)
    return count


def _coarse(ip_address: str | None) -> str | None:
    return Network(ip_address).coarse if ip_address else None
