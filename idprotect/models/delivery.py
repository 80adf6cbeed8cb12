"""What has to reach somebody outside, who wants to hear of what happens, and how far that was worked off."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from idprotect import clock
from idprotect.models.base import Base, new_id

#: Few of the deliveries of one recipient wait, however many are kept for the log.
_WAITS = text("due_at IS NOT NULL")


class Delivery(Base):
    """One thing that one recipient has to be told, and what came of telling it.

    It is written in the transaction of what it tells, so nothing is lost and nothing told that did not happen.

    :ivar id: stays the same at each try, so that the recipient can drop the second.
    :ivar kind: of :mod:`idprotect.worker`: ``logout_token``, ``signal``, ``webhook``, ``mail``.
    :ivar recipient: client id, stream id, webhook id, or mail address.
    :ivar due_at: when to try, again; None once it was taken, or given up.
    :ivar answer: what the last try met with.
    """

    __tablename__ = "idprotect_delivery"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(16))
    recipient: Mapped[str] = mapped_column(String(320))
    content: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(index=True)
    due_at: Mapped[datetime | None] = mapped_column(index=True)
    tries: Mapped[int] = mapped_column(default=0)
    delivered_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(String(128), default="")

    __table_args__ = (
        Index("ix_idprotect_delivery_recipient", "recipient", "created_at"),
        Index("ix_idprotect_delivery_waiting", "recipient", sqlite_where=_WAITS, postgresql_where=_WAITS),
    )

    @property
    def state(self) -> str:
        """How it stands, in a word."""
        if self.delivered_at is not None:
            return "delivered"
        return "given up" if self.due_at is None else "waiting"


class Webhook(Base):
    """An address that hears of events.

    :ivar events: names of audit events, or ``risk:*`` for all of a subject, or ``*``.
    :ivar secret: with which what is sent is signed, encrypted and bound to this row.
    :ivar former_secret: signs as well until ``former_until``, so that the receiver can change over.
    :ivar position: of the newest audit event that was looked at for it.
    :ivar taken_at: when something was taken last.
    :ivar disabled_at: it hears of nothing from then on, and ``disabled_why`` says why.
    """

    __tablename__ = "idprotect_webhook"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    former_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    former_until: Mapped[datetime | None]
    position: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    taken_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_why: Mapped[str] = mapped_column(String(128), default="")


class SignalStream(Base):
    """What one application wants to hear of the people who signed in to it (OpenID SSF 1.0).

    :ivar endpoint_url: where events are pushed to; None: the application polls.
    :ivar authorization: the header sent along, encrypted.
    :ivar events: types of events, as they were requested.
    :ivar removed_users: of whom it does not want to hear.
    :ivar verified_at: when it asked for a verification last.
    """

    __tablename__ = "idprotect_signal_stream"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    client_id: Mapped[str] = mapped_column(String(128), unique=True)
    endpoint_url: Mapped[str | None] = mapped_column(Text)
    authorization: Mapped[bytes | None] = mapped_column(LargeBinary)
    events: Mapped[list[str]]
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    removed_users: Mapped[list[str]]
    verified_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)

    @property
    def is_pushed(self) -> bool:
        """Whether events are sent; else they are fetched."""
        return self.endpoint_url is not None


class Progress(Base):
    """How far something was worked off that one worker does for all: one row each, moved by a conditional write.

    :ivar position: an audit event's position, or the number of a week.
    """

    __tablename__ = "idprotect_progress"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    position: Mapped[int]


class Unsubscribed(Base):
    """A mail address, as a keyed hash, that wants no digest."""

    __tablename__ = "idprotect_unsubscribed"

    address_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=clock.now)
