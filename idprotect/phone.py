"""Phone numbers that a code may be sent to: mobile numbers of ordinary networks, in one canonical form.

Whoever types a number chooses where money is spent and where codes go, so everything else is refused before a
message is made: premium and shared-cost lines (somebody earns by being called), satellite and international
networks (dear), toll-free, internet telephony, pagers and mailboxes (not one person's pocket).
"""

import re
from dataclasses import dataclass
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType

from idprotect.errors import InteractionError

#: Longer than any way of writing a number; the library's own limit of 250 lets its patterns work too hard.
LONGEST_TEXT: Final = 40

#: Letters ("1-800-FLOWERS"), extensions and lists of numbers would all be understood by the library.
_PLAIN = re.compile(r"\+?[\d\s().\-/\u2010-\u2015\u2060\u00ad]+")

_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})

_REFUSALS = {
    PhoneNumberType.FIXED_LINE: "That is a landline. A mobile number is needed.",
    PhoneNumberType.PREMIUM_RATE: "Premium-rate numbers cannot be used. A mobile number is needed.",
    PhoneNumberType.SHARED_COST: "Shared-cost numbers cannot be used. A mobile number is needed.",
    PhoneNumberType.TOLL_FREE: "Toll-free numbers cannot be used. A mobile number is needed.",
    PhoneNumberType.VOIP: "Internet phone numbers cannot be used. A mobile number is needed.",
    PhoneNumberType.PERSONAL_NUMBER: "Forwarding numbers cannot be used. A mobile number is needed.",
    PhoneNumberType.PAGER: "Pagers cannot be used. A mobile number is needed.",
    PhoneNumberType.UAN: "Company numbers cannot be used. A mobile number is needed.",
    PhoneNumberType.VOICEMAIL: "Voice mailboxes cannot be used. A mobile number is needed.",
}


class PhoneError(InteractionError):
    """The number cannot be used; the message says why, to the person who typed it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "phone")


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A mobile number.

    :param e164: the canonical form, `+41791234567`.
    :param region: the country, as in ISO 3166: `CH`.
    """

    e164: str
    region: str

    @property
    def masked(self) -> str:
        """Enough to recognise one's own number by, and no more: not even how long it is."""
        return f"••• ••• {self.e164[-2:]}"


def parse(text: str, region: str | None, allowed_countries: frozenset[str] | None) -> PhoneNumber:
    """Understand a number as people type it.

    :param region: the country of a number without a country code; None asks for one.
    :param allowed_countries: the countries that messages may be sent to; None for all.
    :raises PhoneError: it cannot be used.
    """
    number = _understood(text, region)
    if _belongs_to_no_country(number):
        raise PhoneError("Satellite and international numbers cannot be used. A mobile number is needed.")
    country = phonenumbers.region_code_for_number(number)
    if country is None or not phonenumbers.is_valid_number(number):
        raise PhoneError("That number does not exist. Please check it.")
    kind = phonenumbers.number_type(number)
    if kind not in _MOBILE:
        raise PhoneError(_REFUSALS.get(kind, "A mobile number is needed."))
    if allowed_countries is not None and country not in allowed_countries:
        raise PhoneError("Text messages cannot be sent to that country.")
    return PhoneNumber(phonenumbers.format_number(number, PhoneNumberFormat.E164), country)


def _understood(text: str, region: str | None) -> phonenumbers.PhoneNumber:
    text = text.strip()
    if len(text) > LONGEST_TEXT or not _PLAIN.fullmatch(text.replace("\uff0b", "+")):
        raise PhoneError("Please type the number with digits only, such as +41 79 123 45 67.")
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException as error:
        if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
            raise PhoneError("Please start with + and the country code, such as +41.") from None
        raise PhoneError("That is not a phone number. Please check it.") from None


def _belongs_to_no_country(number: phonenumbers.PhoneNumber) -> bool:
    """Recognise codes such as +881 and +870 (satellites), +883 (networks), +979 (premium rate)."""
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    return region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY
