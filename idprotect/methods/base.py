"""The shape of an authentication method: a way to prove a second factor."""

from typing import Protocol

from idprotect.models import Authenticator, SignIn, User
from idprotect.runtime import runtime


class Method(Protocol):
    """One way to prove who one is.

    :cvar name: stable; stands in rows and URLs.
    :cvar label: what people call it.
    :cvar sends: a code has to be sent before it can be typed.
    :cvar asks_browser: the browser answers, by script, not the person.
    """

    name: str
    label: str
    description: str
    recommended: bool
    sends: bool
    asks_browser: bool

    def is_offered(self) -> bool:
        """Whether it can be set up on this server."""

    def amr(self, authenticator: Authenticator) -> str:
        """Return the value of RFC 8176 for a proof by it."""

    def register(self, user: User, sign_in: SignIn, text: str) -> Authenticator:
        """Make an authenticator that counts only once a code has proved it.

        :param text: what the person typed, such as a telephone number.
        :raises InteractionError: when it cannot be used.
        """

    def send(self, authenticator: Authenticator, sign_in: SignIn) -> None:
        """Send a code, if this method sends any.

        :raises InteractionError: when it could not be sent, or too many were.
        """

    def is_right(self, authenticator: Authenticator, sign_in: SignIn, answer: str) -> bool:
        """Whether a code or the browser's answer is right, newest and unused; using it up by one conditional write."""


def digits(code: str) -> str:
    """Return the one canonical form of a typed code: spaces and dashes are how people copy it."""
    return "".join(c for c in code if c in "0123456789")


def bound_to(authenticator_id: str, user_id: str) -> str:
    """Return what an authenticator's encrypted secret is bound to."""
    return f"authenticator:{authenticator_id}:{user_id}"


def encrypted(authenticator_id: str, user_id: str, secret: str) -> bytes:
    """Return a seed or number as it is stored."""
    return runtime().keys.encrypt(secret, bound_to(authenticator_id, user_id))


def secret_of(authenticator: Authenticator) -> str:
    """Return the seed or number of an authenticator."""
    return runtime().keys.decrypt(authenticator.secret, bound_to(authenticator.id, authenticator.user_id))
