"""The exceptions of idprotect.

    IDProtectError
    ├── ConfigurationError      a setting is missing, unknown or unsafe
    ├── PolicyError             a policy file is not valid; carries every problem found
    ├── InteractionError        what a person submitted was not accepted; the page says why
    │   ├── TooManyAttempts     a limit was reached; carries when to try again
    │   └── PhoneError          a telephone number cannot be used (phone.py)
    ├── SendError               a message could not be sent (senders)
    ├── NotFound                a command or page names something that does not exist
    └── EvaluationError         risk or policies could not be evaluated: nothing may be issued

OAuth errors are Authlib's, with the code of the RFC.
"""

from collections.abc import Sequence


class IDProtectError(Exception):
    """Anything that idprotect raises on purpose."""


class ConfigurationError(IDProtectError):
    """A setting is missing, unknown or unsafe."""


class PolicyError(IDProtectError):
    """A policy file is not valid."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class InteractionError(IDProtectError):
    """What a person submitted was not accepted.

    :param message: shown to the person, so it is kind and tells nothing an attacker could use.
    :param field: the form field that it belongs to, or None for the whole form.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class TooManyAttempts(InteractionError):
    """A limit was reached.

    :param retry_after: whole seconds until another try is accepted.
    """

    def __init__(self, retry_after: int) -> None:
        minutes = max(1, round(retry_after / 60))
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        super().__init__(f"Too many tries. Please wait {wait} and try again.")
        self.retry_after = retry_after


class NotFound(IDProtectError):
    """A command or page names something that does not exist."""


class EvaluationError(IDProtectError):
    """Risk or policies could not be evaluated: nothing may be issued."""
