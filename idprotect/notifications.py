"""Mail to users about what happened to their account. Sent after the commit, so nobody reads of what was not done."""

import logging
from collections.abc import Sequence
from datetime import datetime

from flask import g
from itsdangerous import BadSignature, URLSafeTimedSerializer

from idprotect import audit, simulated
from idprotect.audit import Event
from idprotect.models import User, UserFacts, session
from idprotect.runtime import runtime, settings
from idprotect.senders import Message, SendError

log = logging.getLogger("idprotect.notifications")
REPORT_LINK_AGE = 7 * 86400


def user_at_risk(user: User) -> None:
    """Tell the user that the identity looks compromised."""
    _queue(
        user,
        "Your account may be at risk",
        "Unusual activity was found on your account. The next time you sign in you may be asked to verify that "
        "it is you and to choose a new password. If you are stopped, please contact your administrator.",
    )


def password_changed(user: User) -> None:
    """Tell the user that the password was changed."""
    _queue(user, "Your password was changed", "The password of your account was changed just now.")


def factor_added(user: User, label: str, *, at_risk: bool = False) -> None:
    """Tell the user that a second factor was added."""
    unusual = " It was added during an unusual sign-in." if at_risk else ""
    _queue(
        user,
        "A way to confirm your sign-in was added",
        f"Added to your account just now: {label}.{unusual}",
    )


def factor_removed(user: User, label: str) -> None:
    """Tell the user that a second factor was removed."""
    _queue(user, "A way to confirm your sign-in was removed", f"Removed from your account just now: {label}.")


def recovery_code_used(user: User, left: int) -> None:
    """Tell the user that a recovery code was used."""
    _queue(
        user,
        "A recovery code was used",
        f"A recovery code confirmed a sign-in just now. {left} codes are left.",
    )


def sign_in_stopped(user: User, device: str, at: datetime) -> None:
    """Tell the user that somebody with the right password was stopped."""
    _queue(
        user,
        "A sign-in to your account was stopped",
        f"Somebody used your password with {device or 'an unknown browser'} at {at:%Y-%m-%d %H:%M} UTC "
        "and was not let in.",
    )


def break_glass_used(user: UserFacts, ip_address: str | None, administrators: Sequence[User]) -> None:
    """Tell administrators that somebody signed in with an account to which no policy applies."""
    text = (
        f"Somebody signed in as {user.username} from {ip_address or 'an unknown address'} just now. "
        "No policy applies to this break-glass account. If it was none of you, act at once:\n\n"
        f'flask idprotect user confirm-compromised {user.username} --reason "break-glass account used"\n'
    )
    for administrator in administrators:
        if administrator.email:
            message = Message("mail", administrator.email, "A break-glass account was used", text, "alarm")
            _later(administrator, message)


def report_token(user: User) -> str:
    """Return the signed part of the "this was not me" link."""
    return _serializer().dumps(user.id)


def read_report_token(token: str) -> User | None:
    """Return the user of a link, None when it is forged or older than a week."""
    try:
        user_id = _serializer().loads(token, max_age=REPORT_LINK_AGE)
    except BadSignature:
        return None
    return session().get(User, user_id) if isinstance(user_id, str) else None


def flush() -> None:
    """Send what was queued in this request or command; a failure is logged and never undoes what was done."""
    for user_id, message in g.pop("idprotect_mail", []):
        try:
            runtime().mail.send(message)
        except SendError as error:
            log.warning("mail %r could not be sent: %s", message.purpose, error)
            audit.record(Event.MESSAGE_FAILED, actor="system", user_id=user_id, purpose=message.purpose)
            session().commit()


def discard() -> None:
    """Forget what was queued, because what it tells was rolled back."""
    g.pop("idprotect_mail", None)


def _queue(user: User, subject: str, text: str) -> None:
    if not user.email:
        return
    link = f"{settings().issuer}/report/{report_token(user)}"
    greeting = f"Hello {user.display_name},\n\n{text}\n\n"
    body = f"{greeting}This was not you? Tell us at once:\n{link}\n\n{settings().brand_name}\n"
    _later(user, Message("mail", user.email, subject, body, "security_notice"))


def _later(user: User, message: Message) -> None:
    if simulated.is_running():
        return
    if "idprotect_mail" not in g:
        g.idprotect_mail = []
    g.idprotect_mail.append((user.id, message))


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(runtime().keys.app_secret, salt="idprotect.report")
