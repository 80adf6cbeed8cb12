"""What is remembered to judge: one profile a user, counts over everyone, and where applications came from."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from idprotect.models.base import Base
from idprotect.models.client import Client
from idprotect.models.user import User


class RiskProfile(Base):
    """What is habitual for one user (:class:`idprotect.risk.Profile`).

    :ivar version: grows with each change; a change that was made from an older one is made again.
    """

    __tablename__ = "idprotect_risk_profile"

    user_id: Mapped[str] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"), primary_key=True)
    document: Mapped[list[Any]]
    version: Mapped[int]
    changed_at: Mapped[datetime]


class RiskCount(Base):
    """Decaying counts of one value (:class:`idprotect.risk.population.Count`), scaled to the start of a period.

    Whoever adds something multiplies it by what it will have decayed less than the period's start ("forward decay",
    Cormode et al., ICDE 2009); so adding is a plain sum, and two writers need not read first.

    :ivar key: kind and value; addresses as pseudonyms.
    :ivar slow_period, fast_period: which period the counts of each half-life are scaled to.
    """

    __tablename__ = "idprotect_risk_count"

    key: Mapped[str] = mapped_column(String(96), primary_key=True)
    slow_period: Mapped[int]
    fast_period: Mapped[int]
    ok: Mapped[float]
    users: Mapped[float]
    failed: Mapped[float]
    accounts: Mapped[float]
    burst: Mapped[float]
    burst_accounts: Mapped[float]


class AddressTrust(Base):
    """What an administrator said of the addresses that visitors are seen at; the newest row counts.

    :ivar proxies: those that were named then (``IDPROTECT_TRUSTED_PROXIES``): with others it has to be said again.
    """

    __tablename__ = "idprotect_address_trust"

    id: Mapped[int] = mapped_column(primary_key=True)
    proxies: Mapped[str] = mapped_column(Text)
    withdrawn: Mapped[bool]
    by: Mapped[str] = mapped_column(String(256))
    at: Mapped[datetime]
    reason: Mapped[str] = mapped_column(Text)


class ClientNetwork(Base):
    """An autonomous system from which a client got tokens for itself (:class:`idprotect.risk.workload.Origin`).

    :ivar asn: 0 where no data could tell; 32 bits without a sign (RFC 6793).
    :ivar risk_level: above none: it was new after the client had been learnt, and nobody closed that.
    """

    __tablename__ = "idprotect_client_network"

    client_id: Mapped[str] = mapped_column(ForeignKey(Client.id, ondelete="CASCADE"), primary_key=True)
    asn: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    times: Mapped[int]
    risk_level: Mapped[int]


class ClientBurst(Base):
    """A client did far more at the API within an hour than programs do, and nobody closed that.

    :ivar what: ``reads`` or ``acts``.
    """

    __tablename__ = "idprotect_client_burst"

    client_id: Mapped[str] = mapped_column(ForeignKey(Client.id, ondelete="CASCADE"), primary_key=True)
    what: Mapped[str] = mapped_column(String(16), primary_key=True)
    at: Mapped[datetime]
