"""How an application hears that its user has to do something first: in the same words at every endpoint."""

from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidGrantError
from authlib.oidc.core.errors import ConsentRequiredError, InteractionRequiredError, LoginRequiredError

from idprotect.conditional_access import Step

_ERRORS = {
    None: LoginRequiredError,
    Step.BLOCK: AccessDeniedError,
    Step.SIGN_IN: LoginRequiredError,
    Step.CONSENT: ConsentRequiredError,
}


def without_pages(step: Step | None) -> OAuth2Error:
    """Return what ``prompt=none`` is answered (OIDC Core section 3.1.2.6).

    :param step: what is missing; None: a sign-in.
    """
    return _ERRORS.get(step, InteractionRequiredError)()


class RefusedGrant(InvalidGrantError):  # type: ignore[misc]
    """``invalid_grant``, with a ``suberror`` that says what an authorization request would meet with."""

    def __init__(self, step: Step | None, description: str) -> None:
        super().__init__(description)
        self.suberror = without_pages(step).error

    def get_body(self) -> list[tuple[str, Any]]:
        """Return the members of the answer."""
        return [*super().get_body(), ("suberror", self.suberror)]
