"""Terms of use in their versions, and who accepted which."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from idprotect import clock
from idprotect.models.base import Base
from idprotect.models.user import User


class Terms(Base):
    """A document that policies can have accepted.

    :ivar version: the newest, which is the one that people are shown.
    :ivar required: the oldest version whose acceptance is good enough.
    :ivar valid_days: for how many days an acceptance is good; None: as long as the version is.
    """

    __tablename__ = "idprotect_terms"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(default=1)
    required: Mapped[int] = mapped_column(default=1)
    valid_days: Mapped[int | None]


class TermsVersion(Base):
    """A version of terms, which never changes.

    :ivar asks_again: whoever accepted an older one has to accept this one, too.
    :ivar note: what whoever published it has to say about it; not for those who accept it.
    """

    __tablename__ = "idprotect_terms_version"

    terms: Mapped[str] = mapped_column(ForeignKey(Terms.name, ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(String(200))
    text: Mapped[str] = mapped_column(Text)
    asks_again: Mapped[bool] = mapped_column(default=True)
    published_at: Mapped[datetime] = mapped_column(default=clock.now)
    published_by: Mapped[str] = mapped_column(String(256))
    note: Mapped[str] = mapped_column(Text, default="")


class TermsAcceptance(Base):
    """One acceptance of one version.

    :ivar round: how often this person had accepted this version before: of two acceptances at one moment one counts.
    :ivar client_id: of what the person was on the way to.
    :ivar ip_address: made coarse after the same time as that of the sign-in.
    """

    __tablename__ = "idprotect_terms_acceptance"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    terms: Mapped[str] = mapped_column(ForeignKey(Terms.name, ondelete="CASCADE"))
    version: Mapped[int]
    round: Mapped[int]
    at: Mapped[datetime] = mapped_column(default=clock.now)
    sign_in_id: Mapped[str] = mapped_column(String(32))
    client_id: Mapped[str] = mapped_column(String(128))
    ip_address: Mapped[str | None] = mapped_column(String(45))
    is_coarse: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        UniqueConstraint("user_id", "terms", "version", "round"),
        Index("ix_idprotect_terms_acceptance_terms", "terms", "id"),
        Index("ix_idprotect_terms_acceptance_at", "at"),
    )
