"""Codes by text message: the newest only, a few tries, minutes to live, and limits on sending."""

import logging
import secrets
from datetime import timedelta

from sqlalchemy import update

from idprotect import audit, browser, clock, phone, throttle
from idprotect.audit import Event
from idprotect.errors import InteractionError, TooManyAttempts
from idprotect.methods import challenges
from idprotect.methods.base import digits, encrypted, secret_of
from idprotect.models import Authenticator, Challenge, SignIn, User, new_id, session
from idprotect.runtime import runtime, settings
from idprotect.senders import Message, SendError

log = logging.getLogger("idprotect.methods")
HOUR = timedelta(hours=1)


class Sms:
    """A telephone that gets text messages."""

    name = "sms"
    label = "Text message"
    description = (
        "We send a code to your phone. Easier to intercept than an app, but better than a password alone."
    )
    recommended = False
    sends = True
    asks_browser = False

    def is_offered(self) -> bool:
        """Everywhere."""
        return True

    def amr(self, authenticator: Authenticator) -> str:
        """Confirmation by a text message."""
        return "sms"

    def register(self, user: User, sign_in: SignIn, text: str) -> Authenticator:
        """Read a telephone number; premium, satellite and unknown ones are refused."""
        number = phone.parse(text, settings().sms_region, frozenset(settings().sms_countries) or None)
        identity = new_id()
        return Authenticator(
            id=identity,
            user_id=user.id,
            method=self.name,
            secret=encrypted(identity, user.id, number.e164),
            hint=number.masked,
            registered_in=sign_in.id,
        )

    def send(self, authenticator: Authenticator, sign_in: SignIn) -> None:
        """Send a new code; the ones before it are worthless from now on. Commits."""
        number = secret_of(authenticator)
        _check_limits(authenticator, number)
        code = f"{secrets.randbelow(10**6):06d}"
        identity = new_id()
        challenges.withdraw(authenticator)
        challenges.store(authenticator, sign_in, identity=identity, code_hash=_code_hash(identity, code))
        body = f"{code} is your code for {settings().brand_name}. Never tell it to anybody."
        try:
            runtime().sms.send(Message("sms", number, None, body, "one_time_code"))
        except SendError as error:
            log.warning("a text message could not be sent: %s", error)
            challenges.use_up(identity)
            audit.record(
                Event.MESSAGE_FAILED, actor="system", user_id=authenticator.user_id, purpose="one_time_code"
            )
            session().commit()
            raise InteractionError(
                "The text message could not be sent. Please try again in a moment."
            ) from None
        audit.record(Event.CODE_SENT, actor="system", user_id=authenticator.user_id, sign_in_id=sign_in.id)
        session().commit()

    def is_right(self, authenticator: Authenticator, sign_in: SignIn, answer: str) -> bool:
        """Count the try first, then compare with the newest code, then use it up."""
        now = clock.now()
        counted = (
            update(Challenge)
            .where(
                Challenge.authenticator_id == authenticator.id,
                Challenge.sign_in_id == sign_in.id,
                Challenge.used_at.is_(None),
                Challenge.expires_at > now,
                Challenge.attempts < settings().one_time_code_tries,
            )
            .values(attempts=Challenge.attempts + 1)
            .returning(Challenge.id, Challenge.code_hash)
        )
        row = session().execute(counted, execution_options={"synchronize_session": False}).first()
        session().commit()
        if row is None or not secrets.compare_digest(row.code_hash, _code_hash(row.id, digits(answer))):
            return False
        return challenges.use_up(row.id)


def resend_wait(authenticator: Authenticator, sign_in: SignIn) -> int:
    """Return in how many seconds another message may be sent."""
    challenge = challenges.waiting(authenticator, sign_in)
    if challenge is None:
        return 0
    waited = (clock.now() - challenge.created_at).total_seconds()
    return max(0, int(settings().resend_wait - waited))


def _check_limits(authenticator: Authenticator, number: str) -> None:
    """Bound what can be sent to a person, from an address and to a range of numbers, whatever the purpose."""
    limits, keyed = settings(), runtime().keys.keyed_hash
    hashed, prefix = keyed("number", number)[:40], keyed("prefix", number[:-4])[:40]
    cool_down = timedelta(seconds=limits.resend_wait)
    for key, limit, window in (
        (f"sms-wait:{hashed}", 1, cool_down),
        (f"sms-user:{authenticator.user_id}", limits.messages_per_user, HOUR),
        (f"sms-number:{hashed}", limits.messages_per_user, HOUR),
        (f"sms-address:{throttle.network_of(browser.ip_address())}", limits.messages_per_address, HOUR),
        (f"sms-prefix:{prefix}", limits.messages_per_prefix, HOUR),
    ):
        try:
            throttle.check(key, limit, window)
        except TooManyAttempts as error:
            if window is not cool_down:
                raise
            raise InteractionError(
                f"A message was sent just now. Please wait {error.retry_after} seconds for another."
            ) from None


def _code_hash(challenge_id: str, code: str) -> str:
    # Six digits can be tried out against a plain hash in a moment; the key lies outside the database.
    return runtime().keys.keyed_hash("one-time code", challenge_id, code)
