"""The pages between a user and the token, by the step that each of them satisfies.

To add a grant control: give it a member of :class:`Step` (its place is its turn), write a class of the shape
:class:`idprotect.interactions.base.Interaction` in a file of its own with its template, and add it here.
"""

from collections.abc import Mapping

from idprotect.conditional_access import Step
from idprotect.interactions.base import Interaction, Page, Visit
from idprotect.interactions.block import Block
from idprotect.interactions.consent import ConsentPage
from idprotect.interactions.mfa import Mfa
from idprotect.interactions.mfa_registration import MfaRegistration
from idprotect.interactions.notice import Notice
from idprotect.interactions.password_change import PasswordChange
from idprotect.interactions.recovery import Recovery
from idprotect.interactions.review import Review
from idprotect.interactions.terms_of_use import TermsOfUse

_ALL: tuple[Interaction, ...] = (
    Block(),
    Notice(),
    MfaRegistration(),
    Mfa(),
    PasswordChange(),
    Recovery(),
    Review(),
    TermsOfUse(),
    ConsentPage(),
)
INTERACTIONS: Mapping[Step, Interaction] = {interaction.step: interaction for interaction in _ALL}

__all__ = ["INTERACTIONS", "Interaction", "Page", "Visit"]
