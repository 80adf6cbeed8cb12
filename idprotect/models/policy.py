"""What administrators demanded, in versions; what they may demand, as drafts; and the receipt of every decision."""

from datetime import datetime
from typing import Any

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idprotect import clock
from idprotect.models.base import Base, new_id, partial_index


class PolicyVersion(Base):
    """All policies as they stood from one moment on; the highest version is in force.

    :ivar document: the parsed policy file.
    :ivar emergency: every policy counts as report-only.
    :ivar note: what whoever applied it has to say about it.
    """

    __tablename__ = "idprotect_policy_version"

    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    document: Mapped[dict[str, Any]]
    emergency: Mapped[bool] = mapped_column(default=False)
    applied_at: Mapped[datetime] = mapped_column(default=clock.now)
    applied_by: Mapped[str] = mapped_column(String(256))
    note: Mapped[str] = mapped_column(Text, default="")


class PolicyDraft(Base):
    """Policies that are not in force: the text of a file, as far as somebody came with it.

    :ivar based_on: the version in force that it was made from.
    :ivar revision: grows with each save; whoever saves says which one they saw.
    """

    __tablename__ = "idprotect_policy_draft"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    text: Mapped[str] = mapped_column(Text)
    based_on: Mapped[int]
    revision: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    created_by: Mapped[str] = mapped_column(String(256))
    saved_at: Mapped[datetime] = mapped_column(default=clock.now)
    saved_by: Mapped[str] = mapped_column(String(256))


class Receipt(Base):
    """One decision with everything it was made from, so that it can be made again with the same result.

    :ivar reference: what the person reads out to the administrator.
    :ivar endpoint: where the question was asked: ``authorize``, ``code``, ``refresh``, ``page``.
    """

    __tablename__ = "idprotect_receipt"

    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(String(12), index=True)
    at: Mapped[datetime] = mapped_column(default=clock.now)
    endpoint: Mapped[str] = mapped_column(String(16))
    sign_in_id: Mapped[str] = mapped_column(String(32), index=True)
    user_id: Mapped[str] = mapped_column(String(32), index=True)
    client_id: Mapped[str] = mapped_column(String(128))
    policy_version: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str | None] = mapped_column(String(32))
    facts: Mapped[dict[str, Any]]
    results: Mapped[list[Any]] = mapped_column(default=list)

    __table_args__ = (
        partial_index(
            "ix_idprotect_receipt_not_allowed", "at", "outcome", "sign_in_id", where="outcome != 'allowed'"
        ),
    )
