"""Mails to administrators, through the outbox: written in the transaction of what they tell, and tried again."""

from collections.abc import Callable, Sequence

from idprotect import audit, deliveries, users
from idprotect.audit import Event
from idprotect.models import Delivery
from idprotect.runtime import runtime, settings
from idprotect.senders import Message

KIND = "mail"


def recipients() -> Sequence[str]:
    """Return whom administrators' mail is for: who was named, or every administrator with an address."""
    named = settings().alert_recipients
    return named or [user.email for user in users.administrators() if user.email]


def are_sent() -> bool:
    """Whether there is any way to send mail."""
    return settings().mail_sender != "null"


def put(address: str, subject: str, body: str, purpose: str, *, unsubscribe_url: str | None = None) -> None:
    """Put a mail into the outbox."""
    content = {"subject": subject, "body": body, "purpose": purpose, "unsubscribe_url": unsubscribe_url}
    deliveries.put(KIND, address, content)


def _prepare(delivery: Delivery) -> Callable[[], str] | None:
    content, sender = delivery.content, runtime().mail
    message = Message(
        "mail",
        delivery.recipient,
        content["subject"],
        content["body"],
        content["purpose"],
        unsubscribe_url=content["unsubscribe_url"],
        id=delivery.id,
    )

    def send() -> str:
        sender.send(message)
        return "sent"

    return send


def _given_up(delivery: Delivery) -> None:
    audit.record(Event.MESSAGE_FAILED, actor="system", purpose=delivery.content["purpose"])


MAILS = deliveries.Kind(_prepare, given_up=_given_up)
