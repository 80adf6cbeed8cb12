"""What applications did wrong lately."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from idprotect.models.base import Base


class ClientError(Base):
    """One error that an application was answered, however often. It has no code, token or secret.

    :ivar digest: of everything that tells it from another.
    :ivar endpoint: where it was answered, like ``authorize`` or ``token``.
    :ivar error: the code of the RFC, like ``invalid_grant``.
    :ivar description: the words that went with it.
    :ivar sent: the redirect URI that came, without its query; empty where that was right, or none.
    :ivar times: at least; what repeats within a second is counted once.
    """

    __tablename__ = "idprotect_client_error"

    client_id: Mapped[str] = mapped_column(
        String(128), ForeignKey("idprotect_client.id", ondelete="CASCADE"), primary_key=True
    )
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    endpoint: Mapped[str] = mapped_column(String(32))
    error: Mapped[str] = mapped_column(String(64))
    description: Mapped[str] = mapped_column(String(256), default="")
    sent: Mapped[str] = mapped_column(String(256), default="")
    times: Mapped[int] = mapped_column(default=1)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
