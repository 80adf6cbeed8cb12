"""How long requests took."""

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from idprotect.models.base import Base


class RequestTime(Base):
    """How many answers of an endpoint took how long, since there is this database (:mod:`idprotect.request_times`).

    :ivar status: its class: 2 for 2xx.
    :ivar bound: the place of the bound up to which they took.
    :ivar seconds: all of them together.
    """

    __tablename__ = "idprotect_request_time"

    endpoint: Mapped[str] = mapped_column(String(128), primary_key=True)
    status: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bound: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    times: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
