"""What is deleted, and when. Expiry is enforced at every use; this only keeps the tables small."""

from datetime import timedelta

from sqlalchemy import case, delete, or_, select

from idprotect import audit_chain, clock, counts
from idprotect.models import (
    AuthorizationCode,
    Challenge,
    Delivery,
    InitialAccessToken,
    PendingAuthorization,
    PushedRequest,
    Receipt,
    RiskDetection,
    SignIn,
    Throttle,
    Token,
    UsedJwt,
    rows_changed,
)
from idprotect.risk.levels import OPEN_STATES

#: A used code has to be remembered for as long as its presenter could try it again with effect.
GRACE = timedelta(days=1)


def purge(keep_days: int) -> dict[str, int]:
    """Delete expired artifacts, and history older than *keep_days*; sign-ins with open risk stay."""
    now = clock.now()
    expired, old = now - GRACE, now - timedelta(days=keep_days)
    at_risk = select(RiskDetection.sign_in_id).where(
        RiskDetection.state.in_([str(state) for state in OPEN_STATES]), RiskDetection.sign_in_id.is_not(None)
    )
    return {
        "pending_authorizations": rows_changed(
            delete(PendingAuthorization).where(PendingAuthorization.expires_at < expired)
        ),
        "used_jwts": rows_changed(delete(UsedJwt).where(UsedJwt.expires_at < now)),
        "initial_access_tokens": rows_changed(
            delete(InitialAccessToken).where(InitialAccessToken.expires_at < expired)
        ),
        "pushed_requests": rows_changed(delete(PushedRequest).where(PushedRequest.expires_at < expired)),
        "codes": rows_changed(delete(AuthorizationCode).where(AuthorizationCode.expires_at < expired)),
        "tokens": rows_changed(delete(Token).where(Token.family_expires_at < expired)),
        "challenges": rows_changed(delete(Challenge).where(Challenge.expires_at < expired)),
        "counters": rows_changed(
            delete(Throttle).where(
                # Consecutive failures are counted over days: a patient guesser must not outwait the count.
                Throttle.updated_at < case((Throttle.key.startswith("password:"), old), else_=expired),
                or_(Throttle.blocked_until.is_(None), Throttle.blocked_until < now),
            )
        ),
        "risk_counts": counts.forget(now.timestamp()),
        "deliveries": rows_changed(
            delete(Delivery).where(Delivery.created_at < old, Delivery.due_at.is_(None))
        ),
        "receipts": rows_changed(delete(Receipt).where(Receipt.at < old)),
        "sign_ins": rows_changed(
            delete(SignIn).where(
                SignIn.signed_in_at < old, SignIn.expires_at < now, SignIn.id.not_in(at_risk)
            )
        ),
        "audit_events": audit_chain.purge(old),
    }
