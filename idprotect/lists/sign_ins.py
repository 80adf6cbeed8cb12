"""Lists of sign-ins: the log, those with risk, and those that are still good as sessions."""

import ipaddress
from datetime import timedelta
from typing import Any

from sqlalchemy import Select, and_, case, exists, literal_column, select

from idprotect import clock, gate
from idprotect.lists import words
from idprotect.lists.listing import Column, Condition, Filter, Listing, choice, times
from idprotect.models import Receipt, RiskDetection, SignIn, User
from idprotect.runtime import settings

#: What came of a sign-in.
OUTCOMES = {
    "failed": "wrong password",
    "completed": "signed in",
    "stopped": "not completed",
}
_OUTCOME = case(
    (~SignIn.succeeded, "failed"), (SignIn.completed_at.is_not(None), "completed"), else_="stopped"
)
#: As it stands in the partial index, which is used only when the condition is the very same.
_RISKY = SignIn.risk_state != literal_column("'none'")
#: As it stands in the partial index on receipts.
NOT_ALLOWED = Receipt.outcome != literal_column("'allowed'")
#: What a policy asks of somebody, beside stopping them; the most comes last.
PROMPTS = [
    "terms_required",
    "notice_required",
    "mfa_required",
    "registration_required",
    "password_change_required",
]
_TO_SIGN_IN = ("sign_in", "id")
_TO_USER = ("user", "user_id")


def _with_user(statement: Select[Any]) -> Select[Any]:
    return statement.select_from(SignIn).outerjoin(User, User.id == SignIn.user_id)


def outcome_of(sign_in: SignIn) -> str:
    """Return what came of a sign-in, in the words of :data:`OUTCOMES`."""
    if not sign_in.succeeded:
        return "failed"
    return "completed" if sign_in.completed_at is not None else "stopped"


def _outcome(text: str) -> Condition:
    if text == "failed":
        return ~SignIn.succeeded
    done = SignIn.completed_at
    return and_(SignIn.succeeded, done.is_not(None) if text == "completed" else done.is_(None))


def _of_user(text: str) -> Condition:
    found = select(User.id).where(User.username == text.lower())
    return SignIn.user_id.in_(found)


def _search(text: str) -> Condition:
    """Find by address, by user, or by the reference number that a person reads out."""
    try:
        return SignIn.ip_address == str(ipaddress.ip_address(text))
    except ValueError:
        pass
    # One of the two, looked up first: asked for both at once, PostgreSQL goes through every sign-in.
    found = [receipt.sign_in_id for receipt in gate.find_receipts(text)]
    return SignIn.id.in_(found) if found else _of_user(text)


def _at_application(text: str) -> Condition:
    return exists().where(Receipt.sign_in_id == SignIn.id, Receipt.client_id == text)


DECISIONS = {"blocked": "stopped by a policy", "asked": "asked for something"}


def _decided(text: str) -> Condition:
    """Find what was decided about a sign-in, at any time."""
    outcomes = ["blocked"] if text == "blocked" else PROMPTS
    # The other way round, asking for each sign-in, would walk through all of them.
    return SignIn.id.in_(select(Receipt.sign_in_id).where(NOT_ALLOWED, Receipt.outcome.in_(outcomes)))


def _with_detection(text: str) -> Condition:
    return exists().where(RiskDetection.sign_in_id == SignIn.id, RiskDetection.name == text)


def _address(text: str) -> Condition:
    return SignIn.ip_address == str(ipaddress.ip_address(text))


def usable() -> Condition:
    """Whether a browser still holds it, and has used it lately enough."""
    now, limits = clock.now(), settings()
    return and_(
        ~SignIn.simulated,
        SignIn.cookie_hash.is_not(None),
        SignIn.ended_at.is_(None),
        SignIn.signed_in_at > now - timedelta(seconds=limits.session_absolute),
        SignIn.expires_at > now,
        SignIn.last_seen_at > now - timedelta(seconds=limits.session_idle),
    )


_AT = Column("at", "Time (UTC)", SignIn.signed_in_at, "time", sortable=True, link=_TO_SIGN_IN)
_USER = Column("user", "User", User.username, link=_TO_USER)
_WHERE = (
    Column("device", "Device", SignIn.device_name),
    Column("ip", "Address", SignIn.ip_address, "mono"),
    Column("place", "Place", SignIn.place, shown=False),
    Column("country", "Country", SignIn.country, shown=False),
    Column("user_agent", "User agent", SignIn.user_agent, shown=False),
)
_LEVELS = (
    Column("real_time", "Risk then", SignIn.risk_level, "level"),
    Column("aggregated", "Risk now", SignIn.aggregated_level, "level"),
    Column("state", "State", SignIn.risk_state, "state"),
)
_HIDDEN = {"id": SignIn.id, "user_id": SignIn.user_id}
_USER_FILTER = Filter("user", "User name", _of_user)
_ADDRESS_FILTER = Filter("ip", "Address", _address)
_OUTCOME_FILTER = choice("outcome", "What came of it", _outcome, OUTCOMES)

SIGN_INS = Listing(
    name="sign_ins",
    title="Sign-in log",
    about="Every sign-in, good or bad, with what came of it.",
    key=SignIn.id,
    columns=(
        _AT,
        _USER,
        Column("outcome", "Outcome", _OUTCOME, "outcome"),
        *_WHERE,
        *_LEVELS[:2],
        Column("amr", "Proved by", SignIn.amr, "items", shown=False),
    ),
    order="-at",
    filters=(
        _USER_FILTER,
        _ADDRESS_FILTER,
        _OUTCOME_FILTER,
        choice("decision", "What policies said", _decided, DECISIONS),
        *times(SignIn.signed_in_at),
    ),
    hidden=_HIDDEN,
    joined=_with_user,
    always=lambda: ~SignIn.simulated,
    search=_search,
    search_label="User name, address or reference number",
    presets={
        "Last 24 hours": {"within": "24h"},
        "Wrong passwords today": {"outcome": "failed", "within": "24h"},
        "Not completed this week": {"outcome": "stopped", "within": "7d"},
    },
)

RISKY_SIGN_INS = Listing(
    name="risky_sign_ins",
    title="Risky sign-ins",
    about="Sign-ins in which something was found. “Risk then” is what policies used; “risk now” follows what is open.",
    key=SignIn.id,
    columns=(_AT, _USER, *_LEVELS, Column("detail", "Detail", SignIn.risk_detail, "word"), *_WHERE),
    order="-at",
    filters=(
        words.level("then", "Risk then", SignIn.risk_level),
        words.level("now", "Risk now", SignIn.aggregated_level),
        words.state(SignIn.risk_state),
        words.detail(SignIn.risk_detail),
        Filter("detection", "Detection", _with_detection),
        Filter("client", "Application (id)", _at_application),
        _USER_FILTER,
        _ADDRESS_FILTER,
        Filter("country", "Country", lambda text: SignIn.country == text.upper()),
        _OUTCOME_FILTER,
        *times(SignIn.signed_in_at),
    ),
    hidden=_HIDDEN,
    joined=_with_user,
    always=lambda: and_(_RISKY, ~SignIn.simulated),
    search=_search,
    search_label="User name, address or reference number",
    acts=("dismiss_sign_in", "sign_in_safe", "sign_in_compromised"),
    presets={
        "Open": {"state": "open"},
        "High and open": {"now": "high", "state": "open"},
        "Got in at risk": {"outcome": "completed", "state": "open"},
    },
)

SESSIONS = Listing(
    name="sessions",
    title="Sessions",
    about="Sign-ins that a browser holds and has used lately. Refresh tokens may live on after that.",
    key=SignIn.id,
    columns=(
        Column("at", "Signed in (UTC)", SignIn.signed_in_at, "time", sortable=True, link=_TO_SIGN_IN),
        _USER,
        Column("seen", "Last used", SignIn.last_seen_at, "time"),
        *_WHERE,
        Column("amr", "Proved by", SignIn.amr, "items"),
        _LEVELS[1],
    ),
    order="-at",
    filters=(_USER_FILTER, _ADDRESS_FILTER, words.level("now", "Risk now", SignIn.aggregated_level)),
    hidden=_HIDDEN,
    joined=_with_user,
    always=usable,
    search=_search,
    search_label="User name or address",
    acts=("end_session", "sign_in_compromised"),
    presets={"At risk": {"now": "low"}},
)
