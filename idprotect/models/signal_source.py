"""Who tells this server of security events, about whom, and what came."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idprotect import clock
from idprotect.models.base import Base, new_id
from idprotect.models.user import User
from idprotect.risk import RiskLevel


class SignalSource(Base):
    """A transmitter of security events that this server listens to (OpenID SSF 1.0).

    :ivar audience: by which it means us.
    :ivar events: types that are listened to.
    :ivar level_cap: the most that one of its events may raise.
    :ivar subjects: by which of its words people are looked for, see :mod:`idprotect.signal_sources.subjects`.
    :ivar people_per_hour: of more people it may not raise the risk, or end the sessions, without an administrator.
    :ivar application_id: its client id here, when it is an application of ours as well; it is not told what it told us.
    :ivar token_hash: of the bearer token by which it pushes; None: we poll.
    :ivar poll_url: where events are fetched; None: they are pushed.
    :ivar token_url, client_id: where we get access tokens there, and as who; None: *secret* is the token.
    :ivar secret: by which we prove there who we are, encrypted and bound to this row, as *access_token* is.
    :ivar held_since: since when what comes is kept and has no effect, ``held_why`` says why.
    :ivar resumed_at: when that ended; people count anew from then on.
    :ivar verification_state: what has to come back in the verification that was asked for.
    """

    __tablename__ = "idprotect_signal_source"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    issuer: Mapped[str] = mapped_column(Text)
    jwks_uri: Mapped[str] = mapped_column(Text)
    audience: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]]
    level_cap: Mapped[int]
    subjects: Mapped[list[str]]
    people_per_hour: Mapped[int]
    application_id: Mapped[str | None] = mapped_column(String(128))
    token_hash: Mapped[str | None] = mapped_column(String(64))
    poll_url: Mapped[str | None] = mapped_column(Text)
    token_url: Mapped[str | None] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(Text)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    access_token: Mapped[bytes | None] = mapped_column(LargeBinary)
    access_token_until: Mapped[datetime | None]
    poll_due_at: Mapped[datetime | None]
    poll_failures: Mapped[int] = mapped_column(default=0)
    held_since: Mapped[datetime | None]
    held_why: Mapped[str] = mapped_column(String(256), default="")
    resumed_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    failed_why: Mapped[str] = mapped_column(String(256), default="")
    verified_at: Mapped[datetime | None]
    verification_state: Mapped[str | None] = mapped_column(String(64))
    stream_status: Mapped[str | None] = mapped_column(String(32))
    stream_reason: Mapped[str] = mapped_column(String(256), default="")
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    @property
    def is_polled(self) -> bool:
        """Whether events are fetched; else they are sent."""
        return self.poll_url is not None

    @property
    def cap(self) -> RiskLevel:
        """The most that one of its events may raise."""
        return RiskLevel(self.level_cap)


class SignalSubject(Base):
    """Who somebody is here of whom a source tells by its own ``sub`` (RFC 9493 section 3.2.4)."""

    __tablename__ = "idprotect_signal_subject"

    source_id: Mapped[str] = mapped_column(ForeignKey(SignalSource.id, ondelete="CASCADE"), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), index=True)


class ReceivedSignal(Base):
    """One security event token that was verified, and what came of it. The second of the same ``jti`` is none.

    :ivar id: a hash of source and ``jti``.
    :ivar outcome: of :class:`idprotect.signal_sources.receiving.Outcome`.
    :ivar user_id: whom it is about, where it concerned somebody of ours.
    :ivar detection_id: what it raised.
    :ivar content: what is needed to act on it later; only while it is held.
    """

    __tablename__ = "idprotect_received_signal"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    source_id: Mapped[str] = mapped_column(ForeignKey(SignalSource.id, ondelete="CASCADE"))
    jti: Mapped[str] = mapped_column(String(255))
    event_type: Mapped[str] = mapped_column(String(255))
    received_at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[str | None] = mapped_column(String(32))
    detection_id: Mapped[str | None] = mapped_column(String(32))
    content: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        Index("ix_idprotect_received_signal_source", "source_id", "received_at"),
        Index("ix_idprotect_received_signal_outcome", "outcome", "received_at"),
    )
