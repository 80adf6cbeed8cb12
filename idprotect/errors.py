"""The exceptions of idprotect.

    IDProtectError
    ├── ConfigurationError      a setting is missing, unknown or unsafe
    ├── PolicyError             a policy file is not valid; carries every problem found
    │   ├── PoliciesChanged     somebody else put policies into force meanwhile; carries what those were based on
    │   └── DraftChanged        somebody else saved the draft meanwhile
    ├── InteractionError        what a person submitted was not accepted; the page says why
    │   ├── TooManyAttempts     a limit was reached; carries when to try again
    │   ├── TermsChanged        somebody else published terms of use meanwhile
    │   └── PhoneError          a telephone number cannot be used (phone.py)
    ├── SendError               a message could not be sent (senders)
    │   └── Gone                and is not wanted any more (senders)
    ├── NotFound                a command or page names something that does not exist
    └── EvaluationError         risk or policies could not be evaluated: nothing may be issued

OAuth errors are Authlib's, with the code of the RFC.
"""

from collections.abc import Sequence


class IDProtectError(Exception):
    """Anything that idprotect raises on purpose."""


class ConfigurationError(IDProtectError):
    """A setting is missing, unknown or unsafe."""


class Problem(str):
    """What is wrong with a document, in words that name the place.

    :ivar where: the entry that it is in, like ``policy 'user-risk'``.
    :ivar key: the key of the entry that it is about; empty when it is about none or several.
    :ivar bare: the words without the place.
    """

    where: str
    key: str
    bare: str

    def __new__(cls, bare: str, where: str = "", key: str = "") -> "Problem":
        """Put the place before the words."""
        problem = super().__new__(cls, f"{where}: {bare}" if where else bare)
        problem.bare, problem.where, problem.key = bare, where, key
        return problem


class PolicyError(IDProtectError):
    """A policy file is not valid.

    :ivar problems: each a :class:`Problem` where it has a place in the file.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class PoliciesChanged(PolicyError):
    """Policies were put into force since the version that a draft was made from; nothing was overwritten.

    :ivar based_on: that version.
    """

    def __init__(self, based_on: int) -> None:
        super().__init__(["somebody else changed the policies meanwhile; look at that, and send yours again"])
        self.based_on = based_on


class DraftChanged(PolicyError):
    """Somebody else saved a draft, or was done with it, since it was opened; nothing was overwritten."""

    def __init__(self) -> None:
        super().__init__(["somebody else saved this draft meanwhile; look at that, and send yours again"])


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


class TermsChanged(InteractionError):
    """Another version of terms of use was published since the one that was seen; nothing was overwritten."""

    def __init__(self) -> None:
        super().__init__("Somebody else published a version meanwhile. Look at that, and send yours again.")


class NotFound(IDProtectError):
    """A command or page names something that does not exist."""


class EvaluationError(IDProtectError):
    """Risk or policies could not be evaluated: nothing may be issued."""
