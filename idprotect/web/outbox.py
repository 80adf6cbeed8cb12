"""The development page that shows which text messages and mails would have been sent. Never in production."""

from flask import Response, abort

from idprotect.pages import render
from idprotect.runtime import runtime, settings
from idprotect.senders.outbox import Outbox

SHOWN = 50


def outbox() -> Response:
    """List messages, newest first."""
    if not settings().development:
        abort(404)
    senders = {
        sender.folder: sender for sender in (runtime().sms, runtime().mail) if isinstance(sender, Outbox)
    }
    sent = sorted(
        (message for sender in senders.values() for message in sender.messages()),
        key=lambda message: message.sent_at,
        reverse=True,
    )
    messages = [
        {
            "channel": message.channel,
            "to": message.to,
            "subject": message.subject,
            "body": message.body,
            "at": f"{message.sent_at:%H:%M:%S} UTC",
        }
        for message in sent[:SHOWN]
    ]
    return render("outbox.html", messages=messages)
