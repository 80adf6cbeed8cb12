"""What happened at each sign-in, and what was found suspicious. These rows outlive their user."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idprotect import clock
from idprotect.models.bare import Bare
from idprotect.models.base import Base, new_id, partial_index
from idprotect.risk import About, RiskDetail, RiskLevel, RiskState
from idprotect.risk.detections.reports import ADMIN_CONFIRMED
from idprotect.risk.mitre import TECHNIQUES


class SignInFacts:
    """What a decision needs to know of a sign-in, of its object or of its bare row alike."""

    if TYPE_CHECKING:
        id: Any
        user_id: Any
        signed_in_at: Any
        authenticated_at: Any
        amr: Any
        mfa_at: Any
        noticed_at: Any
        registration_skipped_at: Any
        reviewed_at: Any
        pass_expires_at: Any
        vouched_at: Any
        ip_address: Any
        platform: Any
        country: Any
        known_device: Any
        device_name: Any
        signals: Any
        site: Any
        browser: Any
        last_seen_at: Any
        expires_at: Any
        completed_at: Any
        ended_at: Any
        risk_level: Any
        aggregated_level: Any
        session_level: Any
        session_level_at: Any

    @property
    def risk(self) -> RiskLevel:
        """The frozen real-time level."""
        return RiskLevel(self.risk_level)

    @property
    def session_risk(self) -> RiskLevel:
        """How risky its cookie was used since."""
        return RiskLevel(self.session_level)

    @property
    def acr(self) -> str:
        """The class reached: ``aal2`` with a second factor, else ``aal1`` (NIST SP 800-63B)."""
        return "aal2" if "mfa" in self.amr else "aal1"


class SignIn(SignInFacts, Base):
    """One act of signing in, good or bad; a good one is the session, as long as it has a cookie.

    :ivar signed_in_at: when the password was found right.
    :ivar authenticated_at: when a factor was last proved; the ``auth_time`` claim.
    :ivar cookie_hash: SHA-256 of the cookie's value; None once the browser got another sign-in.
    :ivar browser_id: the browser that it made familiar to its user; None: it made none so.
    :ivar replaced_by: the sign-in that its browser has instead; it ends together with that, if of the same user.
    :ivar signals: what was known when it was judged (:class:`idprotect.risk.Attempt`).
    :ivar score: in points, finer than the level.
    :ivar site, browser: pseudonyms of the address and of the browser that its cookie was last accepted from.
    :ivar session_level: how risky its cookie was used since; none again once a second factor was proved.
    :ivar session_level_at: when that rose to its level.
    :ivar session_signals: where the cookie was used last, if nobody could tell yet whether that was its owner.
    :ivar risk_level: real-time level, frozen; policies use this one.
    :ivar aggregated_level: level of what is open now; findings and feedback move it.
    :ivar console_seen_at: when the administrator's console was last used in it; idle time counts from there.
    :ivar reviewed_at: when the person was asked about an earlier, stopped sign-in.
    :ivar pass_expires_at: until when a pass of the help desk may be used; None when there is none, or it was used.
    :ivar vouched_at: when such a pass was used: somebody checked who this is.
    :ivar completed_at: when it first ended with access.
    :ivar ended_at: when it was ended: its tokens are dead as well.
    :ivar simulated: it never happened: left out of everything that is counted.
    :ivar is_coarse: of its address the neighbourhood alone is kept, and not what its browser called itself.
    :ivar teaches: whether it shows how its user signs in. True: somebody confirmed it; False: it was somebody else, or
        came after; None: its outcome tells. Kept by :mod:`idprotect.learning`.
    """

    __tablename__ = "idprotect_sign_in"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    user_id: Mapped[str | None] = mapped_column(String(32))
    succeeded: Mapped[bool]
    signed_in_at: Mapped[datetime]
    authenticated_at: Mapped[datetime]
    amr: Mapped[list[str]] = mapped_column(default=list)
    mfa_at: Mapped[datetime | None]
    noticed_at: Mapped[datetime | None]
    registration_skipped_at: Mapped[datetime | None]
    reviewed_at: Mapped[datetime | None]
    pass_expires_at: Mapped[datetime | None]
    vouched_at: Mapped[datetime | None]
    console_seen_at: Mapped[datetime | None]

    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str] = mapped_column(Text, default="")
    device_name: Mapped[str] = mapped_column(String(128), default="")
    platform: Mapped[str | None] = mapped_column(String(32))
    place: Mapped[str | None] = mapped_column(String(128))
    country: Mapped[str | None] = mapped_column(String(2))
    device_hash: Mapped[str | None] = mapped_column(String(64))
    known_device: Mapped[bool] = mapped_column(default=False)
    browser_id: Mapped[str | None] = mapped_column(String(32))
    signals: Mapped[dict[str, Any]] = mapped_column(default=dict)
    score: Mapped[float] = mapped_column(default=0.0)
    site: Mapped[str] = mapped_column(String(32), default="")
    browser: Mapped[str] = mapped_column(String(32), default="")

    session_level: Mapped[int] = mapped_column(default=int(RiskLevel.NONE))
    session_level_at: Mapped[datetime | None]
    session_signals: Mapped[dict[str, Any]] = mapped_column(default=dict)

    cookie_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    replaced_by: Mapped[str | None] = mapped_column(String(32))
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(64))

    risk_level: Mapped[int] = mapped_column(default=int(RiskLevel.NONE))
    aggregated_level: Mapped[int] = mapped_column(default=int(RiskLevel.NONE))
    risk_state: Mapped[str] = mapped_column(String(32), default=str(RiskState.NONE))
    risk_detail: Mapped[str] = mapped_column(String(32), default=str(RiskDetail.NONE))
    not_evaluated: Mapped[dict[str, Any]] = mapped_column(default=dict)
    teaches: Mapped[bool | None]
    simulated: Mapped[bool] = mapped_column(default=False)
    is_coarse: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index("ix_idprotect_sign_in_user_at", "user_id", "signed_in_at"),
        Index("ix_idprotect_sign_in_at", "signed_in_at", "id", "succeeded", "simulated"),
        Index("ix_idprotect_sign_in_ip_at", "ip_address", "signed_in_at"),
        partial_index("ix_idprotect_sign_in_risky", "signed_in_at", "id", where="risk_state != 'none'"),
    )


#: For decisions, and for whoever lets it go on.
BARE_SIGN_IN = Bare(
    SignIn,
    SignInFacts,
    without={
        "session_signals",
        "not_evaluated",
        "user_agent",
        "score",
        "place",
        "cookie_hash",
        "replaced_by",
        "end_reason",
        "risk_state",
        "risk_detail",
        "teaches",
        "simulated",
        "is_coarse",
    },
)


class RiskDetection(Base):
    """One suspicious thing, with its state. Only :mod:`idprotect.protection` changes the state.

    :ivar opened_at: since when it counts: since it was made, or reactivated. What clears it has to be newer.
    :ivar state_before: the state to go back to when what closed it is taken back; None while it is open.
    :ivar undone_at: when a dismissal of it was taken back; None once it is closed anew.
    :ivar client_id: the application that reported it, by its own id ``report_id``; None: we found it.
    :ivar simulated: it was found in a simulation.
    """

    __tablename__ = "idprotect_risk_detection"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(String(32))
    sign_in_id: Mapped[str | None] = mapped_column(String(32), index=True)
    name: Mapped[str] = mapped_column(String(64))
    about: Mapped[str] = mapped_column(String(16))
    level: Mapped[int]
    timing: Mapped[str] = mapped_column(String(16))
    reasons: Mapped[list[str]]
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)
    detected_at: Mapped[datetime] = mapped_column(default=clock.now)
    state: Mapped[str] = mapped_column(String(32), default=str(RiskState.AT_RISK))
    detail: Mapped[str] = mapped_column(String(32), default=str(RiskDetail.NONE))
    opened_at: Mapped[datetime] = mapped_column(default=clock.now)
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(256))
    state_before: Mapped[str | None] = mapped_column(String(32))
    undone_at: Mapped[datetime | None]
    client_id: Mapped[str | None] = mapped_column(String(128))
    report_id: Mapped[str | None] = mapped_column(String(128))
    simulated: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index("ix_idprotect_risk_detection_user_state", "user_id", "state"),
        UniqueConstraint("client_id", "report_id"),
        Index("ix_idprotect_risk_detection_at", "detected_at", "id"),
    )

    @property
    def risk(self) -> RiskLevel:
        """The level of the detection."""
        return RiskLevel(self.level)

    @property
    def technique(self) -> str | None:
        """The technique of MITRE ATT&CK that it points to."""
        return TECHNIQUES.get(self.name)

    @property
    def is_open(self) -> bool:
        """Whether it counts."""
        return RiskState(self.state).is_open

    @property
    def is_confirmed(self) -> bool:
        """Whether an administrator stands behind it."""
        return self.state == RiskState.CONFIRMED_COMPROMISED

    @property
    def is_of_sign_in(self) -> bool:
        """Whether it says something about its sign-in: it is about it, or confirms that it was somebody else."""
        return self.sign_in_id is not None and (self.about == About.SIGN_IN or self.name == ADMIN_CONFIRMED)


class RiskHistory(Base):
    """One change of a user's risk: from, to, cause, actor, time."""

    __tablename__ = "idprotect_risk_history"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(String(32), index=True)
    at: Mapped[datetime] = mapped_column(default=clock.now)
    from_level: Mapped[int]
    to_level: Mapped[int]
    state: Mapped[str] = mapped_column(String(32))
    detail: Mapped[str] = mapped_column(String(32))
    cause: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(256))
