"""Who signs in: users, their authenticators, recovery codes, challenges and known devices."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask_login import UserMixin
from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idprotect import clock
from idprotect.models.bare import Bare
from idprotect.models.base import Base, new_id, partial_index
from idprotect.risk import RiskDetail, RiskLevel, RiskState


class UserFacts:
    """What a decision and an application need to know of a user, of the object or of its bare row alike."""

    if TYPE_CHECKING:
        id: Any
        username: Any
        host_id: Any
        name: Any
        email: Any
        claims: Any
        groups: Any
        roles: Any
        enabled: Any
        password_hash: Any
        temporary_password_hash: Any
        must_change_password: Any
        risk_level: Any
        recovered_at: Any
        registration_prompted_at: Any

    @property
    def display_name(self) -> str:
        """What to call the person on a page."""
        return str(self.name or self.username)


class User(UserFacts, UserMixin, Base):  # type: ignore[misc]
    """One person. In a host application this row shadows the host's own, and has no password.

    :ivar id: the opaque ``sub``, never reassigned.
    :ivar username: canonical, see :func:`idprotect.usernames.canonical`.
    :ivar claims: what else is known of the person, by the names of :mod:`idprotect.standard_claims`.
    :ivar risk_level: level now, kept by :mod:`idprotect.protection` alone.
    :ivar recovered_at: when the password was last changed in the secure flow.
    :ivar recovery_began_at: when everything was ended so that a strong sign-in would restore the identity.
    :ivar simulated: does not exist outside of :mod:`idprotect.simulation`, and cannot sign in there.
    """

    __tablename__ = "idprotect_user"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(256), unique=True)
    skeleton: Mapped[str] = mapped_column(String(256), unique=True)
    host_id: Mapped[str | None] = mapped_column(String(128), unique=True)
    name: Mapped[str] = mapped_column(String(256), default="")
    email: Mapped[str | None] = mapped_column(String(320))
    claims: Mapped[dict[str, Any]] = mapped_column(default=dict)
    groups: Mapped[list[str]] = mapped_column(default=list)
    roles: Mapped[list[str]] = mapped_column(default=list)
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    password_hash: Mapped[str | None] = mapped_column(Text)
    password_changed_at: Mapped[datetime | None]
    password_history: Mapped[list[str]] = mapped_column(default=list)
    temporary_password_hash: Mapped[str | None] = mapped_column(Text)
    temporary_password_expires_at: Mapped[datetime | None]
    must_change_password: Mapped[bool] = mapped_column(default=False)

    risk_level: Mapped[int] = mapped_column(default=int(RiskLevel.NONE))
    risk_state: Mapped[str] = mapped_column(String(32), default=str(RiskState.NONE))
    risk_detail: Mapped[str] = mapped_column(String(32), default=str(RiskDetail.NONE))
    risk_changed_at: Mapped[datetime | None]
    recovered_at: Mapped[datetime | None]
    recovery_began_at: Mapped[datetime | None]
    registration_prompted_at: Mapped[datetime | None]
    simulated: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        partial_index("ix_idprotect_user_risky", "risk_changed_at", "id", where="risk_state != 'none'"),
    )

    @property
    def is_active(self) -> bool:
        """Whether Flask-Login takes the user for signed in."""
        return self.enabled

    @property
    def risk(self) -> RiskLevel:
        """The level of the identity now."""
        return RiskLevel(self.risk_level)


BARE_USER = Bare(
    User,
    UserFacts,
    without={
        "skeleton",
        "created_at",
        "password_history",
        "password_changed_at",
        "temporary_password_expires_at",
        "risk_state",
        "risk_detail",
        "risk_changed_at",
        "recovery_began_at",
        "simulated",
    },
)


class Authenticator(Base):
    """One registered instance of a method: one person's passkey, phone or authenticator app.

    :ivar secret: the seed, number or public key, encrypted and bound to this row and user.
    :ivar confirmed_at: when an answer first proved it; it counts only from then on.
    :ivar last_step: the newest TOTP step, or count of a passkey, that was accepted; only a later one will be.
    :ivar failures: consecutive failures, over all sessions and days.
    """

    __tablename__ = "idprotect_authenticator"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    method: Mapped[str] = mapped_column(String(32))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    hint: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    confirmed_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    last_step: Mapped[int | None]
    failures: Mapped[int] = mapped_column(default=0)
    disabled_at: Mapped[datetime | None]
    registered_in: Mapped[str | None] = mapped_column(String(32))
    registered_at_risk: Mapped[bool] = mapped_column(default=False)


class RecoveryCode(Base):
    """One look-up secret, usable once; only its hash is kept."""

    __tablename__ = "idprotect_recovery_code"

    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    used_at: Mapped[datetime | None]


class Challenge(Base):
    """What has to be answered once, bound to one user, sign-in, authenticator and purpose.

    :ivar code_hash: of the code that was sent; empty where the browser signs something that is made from the id.
    """

    __tablename__ = "idprotect_challenge"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    sign_in_id: Mapped[str] = mapped_column(String(32))
    authenticator_id: Mapped[str] = mapped_column(String(32), index=True)
    code_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    used_at: Mapped[datetime | None]


class Device(Base):
    """A browser in which one user completed a sign-in. A hint about risk, never a factor.

    :ivar browser_id: of the browser itself: stays when its cookie changes, and is the same for all its users.
    """

    __tablename__ = "idprotect_device"

    device_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    browser_id: Mapped[str] = mapped_column(String(32), default=new_id)
    name: Mapped[str] = mapped_column(String(128), default="")
    first_seen_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]

    __table_args__ = (Index("ix_idprotect_device_user", "user_id"),)


class Throttle(Base):
    """A durable counter shared by all workers: failures on an account, messages to a number.

    :ivar key: what is counted; personal parts are keyed hashes.
    """

    __tablename__ = "idprotect_throttle"

    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    count: Mapped[int]
    started_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(index=True)
    blocked_until: Mapped[datetime | None]


class AuditEvent(Base):
    """One thing that happened, for the administrator. Written in the transaction of what it tells, never changed.

    :ivar position: place in the chain of :mod:`idprotect.audit_chain`; None until it is sealed.
    :ivar previous_seal: that of the event before.
    """

    __tablename__ = "idprotect_audit_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=clock.now, index=True)
    name: Mapped[str] = mapped_column(String(64), index=True)
    actor: Mapped[str] = mapped_column(String(256))
    user_id: Mapped[str | None] = mapped_column(String(32), index=True)
    sign_in_id: Mapped[str | None] = mapped_column(String(32), index=True)
    client_id: Mapped[str | None] = mapped_column(String(128))
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    position: Mapped[int | None] = mapped_column(unique=True)
    previous_seal: Mapped[str | None] = mapped_column(String(64))
    seal: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (Index("ix_idprotect_audit_event_actor", "actor", "id"),)


class AuditHead(Base):
    """The newest seal of the audit log: one row, which sealing alone writes."""

    __tablename__ = "idprotect_audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int]
    seal: Mapped[str] = mapped_column(String(64))
