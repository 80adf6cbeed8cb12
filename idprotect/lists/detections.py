"""The list of risk detections."""

from typing import Any

from sqlalchemy import Select, case, select

from idprotect import clock
from idprotect.lists import words
from idprotect.lists.listing import PERIODS, Column, Condition, Filter, Listing, choice, equal, period, times
from idprotect.models import RiskDetection, User
from idprotect.risk.levels import About, Timing
from idprotect.risk.mitre import TECHNIQUES

_TO_USER = ("user", "user_id")
_TO_SIGN_IN = ("sign_in", "sign_in_id")


def _with_user(statement: Select[Any]) -> Select[Any]:
    return statement.select_from(RiskDetection).outerjoin(User, User.id == RiskDetection.user_id)


def _of_user(text: str) -> Condition:
    return RiskDetection.user_id.in_(select(User.id).where(User.username == text.lower()))


def _closed_within(text: str) -> Condition:
    return RiskDetection.closed_at >= clock.now() - period(text)


_technique = case(dict(TECHNIQUES), value=RiskDetection.name, else_="")

DETECTIONS = Listing(
    name="detections",
    title="Detections",
    about="Each suspicious thing that was found, with its reasons, and what became of it.",
    key=RiskDetection.id,
    columns=(
        Column("at", "Time (UTC)", RiskDetection.detected_at, "time", sortable=True, link=_TO_SIGN_IN),
        Column("user", "User", User.username, link=_TO_USER),
        Column("detection", "Detection", RiskDetection.name, "word"),
        Column("level", "Level", RiskDetection.level, "level"),
        Column("state", "State", RiskDetection.state, "state"),
        Column("reasons", "Reasons", RiskDetection.reasons, "items"),
        Column("technique", "MITRE ATT&CK", _technique, "mono", shown=False),
        Column("detail", "Detail", RiskDetection.detail, "word", shown=False),
        Column("about", "About", RiskDetection.about, "word", shown=False),
        Column("timing", "Timing", RiskDetection.timing, "word", shown=False),
        Column("closed", "Closed", RiskDetection.closed_at, "time", shown=False),
        Column("closed_by", "Closed by", RiskDetection.closed_by, shown=False),
    ),
    order="-at",
    filters=(
        Filter("detection", "Detection", lambda text: RiskDetection.name == text),
        words.level("level", "Level", RiskDetection.level),
        words.state(RiskDetection.state),
        words.detail(RiskDetection.detail),
        choice("about", "About", equal(RiskDetection.about), words.labels(About)),
        choice("timing", "Timing", equal(RiskDetection.timing), words.labels(Timing)),
        Filter("technique", "MITRE ATT&CK", lambda text: _technique.in_([text.upper()])),
        choice("closed", "Closed in the last", _closed_within, PERIODS),
        Filter("user", "User name", _of_user),
        *times(RiskDetection.detected_at),
    ),
    hidden={
        "id": RiskDetection.id,
        "user_id": RiskDetection.user_id,
        "sign_in_id": RiskDetection.sign_in_id,
    },
    joined=_with_user,
    always=lambda: ~RiskDetection.simulated,
    search=_of_user,
    search_label="User name",
    acts=("resolve_detection", "false_positive", "ignore", "reactivate"),
    presets={
        "Open": {"state": "open"},
        "High this week": {"level": "high", "within": "7d"},
        "Found later": {"timing": "offline"},
    },
)
