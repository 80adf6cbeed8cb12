"""Codes from an authenticator app (RFC 6238), each accepted once."""

import pyotp
from sqlalchemy import or_, update

from idprotect import clock
from idprotect.methods.base import digits, encrypted, secret_of
from idprotect.models import Authenticator, SignIn, User, new_id, rows_changed
from idprotect.runtime import settings

STEP_SECONDS = 30


class Totp:
    """An authenticator app."""

    name = "totp"
    label = "Authenticator app"
    description = "An app on your phone shows a new code every 30 seconds. It works without reception."
    recommended = True
    sends = False
    asks_browser = False

    def is_offered(self) -> bool:
        """Everywhere."""
        return True

    def amr(self, authenticator: Authenticator) -> str:
        """A one-time password."""
        return "otp"

    def register(self, user: User, sign_in: SignIn, text: str) -> Authenticator:
        """Make a seed; the server keeps it and shows it to its owner until it is proved."""
        identity = new_id()
        return Authenticator(
            id=identity,
            user_id=user.id,
            method=self.name,
            secret=encrypted(identity, user.id, pyotp.random_base32()),
            hint="",
            registered_in=sign_in.id,
        )

    def send(self, authenticator: Authenticator, sign_in: SignIn) -> None:
        """Nothing is sent."""

    def is_right(self, authenticator: Authenticator, sign_in: SignIn, answer: str) -> bool:
        """Compare with the codes of this step and its neighbours; a step counts once, and never an older one."""
        totp = pyotp.TOTP(secret_of(authenticator), interval=STEP_SECONDS)
        step = _matching_step(totp, digits(answer))
        if step is None:
            return False
        statement = (
            update(Authenticator)
            .where(
                Authenticator.id == authenticator.id,
                or_(Authenticator.last_step.is_(None), Authenticator.last_step < step),
            )
            .values(last_step=step)
        )
        return rows_changed(statement) == 1


def provisioning_uri(authenticator: Authenticator, username: str) -> str:
    """Return the ``otpauth:`` URI for the QR code."""
    totp = pyotp.TOTP(secret_of(authenticator), interval=STEP_SECONDS)
    return totp.provisioning_uri(name=username, issuer_name=settings().brand_name)


def _matching_step(totp: pyotp.TOTP, code: str) -> int | None:
    now = int(clock.now().timestamp()) // STEP_SECONDS
    for step in (now, now - 1, now + 1):
        if pyotp.utils.strings_equal(code, totp.generate_otp(step)):
            return step
    return None
