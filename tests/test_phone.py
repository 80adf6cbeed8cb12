import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from idprotect.phone import PhoneError, PhoneNumber, parse


def refusal(text, region=None, allowed_countries=None):
    with pytest.raises(PhoneError) as error:
        parse(text, region, allowed_countries)
    return error.value.message


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("+41 79 123 45 67", None),
        ("079 123 45 67", "CH"),
        ("0041791234567", "CH"),
        ("+41 (0)79 123-45-67", None),
        ("\uff0b41 79 123 45 67", None),
        ("+٤١ ٧٩ ١٢٣ ٤٥ ٦٧", None),
        ("  +41.79.123.45.67 ", "US"),
        ("+41\u00a079 1234567", None),
    ],
)
def test_one_number_has_one_canonical_form(text, region):
    assert parse(text, region, None) == PhoneNumber("+41791234567", "CH")


def test_mobile_and_landline_in_one_numbering_plan_are_accepted():
    assert parse("(415) 555-2671", "US", None) == PhoneNumber("+14155552671", "US")


@pytest.mark.parametrize(
    "country", ["AT", "AU", "BR", "CH", "DE", "ES", "FR", "GB", "IN", "IT", "JP", "NL", "PL", "SE", "ZA"]
)
def test_mobile_numbers_of_the_world_are_accepted(country):
    number = phonenumbers.example_number_for_type(country, PhoneNumberType.MOBILE)
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    assert parse(text, None, None).e164 == text.replace(" ", "").replace("-", "")


def test_masked_number_shows_two_digits_only():
    assert parse("+41 79 123 45 67", None, None).masked == "••• ••• 67"


@pytest.mark.parametrize(
    "text", ["", "+", "abc", "12", "+41", "+41 79 123", "🐈", "+1" + "4" * 30, "9" * 100_000, "+-+-+-"]
)
def test_what_is_no_number_is_refused_kindly(text):
    assert refusal(text, "CH").endswith(".")


@pytest.mark.parametrize(
    "text",
    [
        "1-415-FLOWERS",
        "+1 415 555 2671 ext. 5",
        "+1 415 555 2671,,5",
        "+14155552671;5",
        "+14155552671#5",
        "tel:+14155552671",
        "+14155552671, +14155552672",
        "+14155552671\x00",
        "++14155552671",
    ],
)
def test_words_extensions_and_lists_are_refused(text):
    assert "digits only" in refusal(text, "US")


def test_endless_text_is_not_searched_for_a_number():
    assert "digits only" in refusal("+41" + " " * 40 + "791234567")


def test_number_without_country_code_needs_a_region():
    assert "country code" in refusal("079 123 45 67", None)
    assert "country code" in refusal("079 123 45 67", "XX")


def test_number_out_of_the_numbering_plan_is_refused():
    assert "does not exist" in refusal("+41 74 123 45 67")
    assert "does not exist" in refusal("+44 7700 900123")


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("FIXED_LINE", "landline"),
        ("PREMIUM_RATE", "Premium"),
        ("SHARED_COST", "Shared"),
        ("TOLL_FREE", "Toll-free"),
        ("VOIP", "Internet"),
        ("PERSONAL_NUMBER", "Forwarding"),
        ("PAGER", "Pager"),
        ("UAN", "Company"),
        ("VOICEMAIL", "mailbox"),
    ],
)
def test_every_other_kind_of_number_is_refused_with_its_name(kind, word):
    examples = (
        phonenumbers.example_number_for_type(region, getattr(PhoneNumberType, kind))
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    )
    texts = [
        phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        for example in examples
        if example
    ]
    if kind == "FIXED_LINE":  # in North America and elsewhere nobody can tell them from mobile numbers
        texts = [text for text in texts if text.startswith(("+41", "+44", "+49"))]
    refusals = [refusal(text) for text in texts]
    assert sum(word in text for text in refusals) > len(refusals) * 0.8


@pytest.mark.parametrize(
    "text",
    [
        "+870 773 111 632",
        "+881 612 345 678",
        "+8816 1234 5678",
        "+882 13 1234567",
        "+883 5100 0123 4567",
        "+979 123 456 789",
        "+800 1234 5678",
        "+808 1234 5678",
        "+888 123 456 789 01",
    ],
)
def test_satellites_and_networks_without_a_country_are_refused(text):
    assert "Satellite and international" in refusal(text)


def test_premium_number_that_is_valid_is_refused():
    assert "Premium" in refusal("+1 900 555 0123")


def test_countries_that_are_not_allowed_are_refused():
    assert parse("+41791234567", None, frozenset({"CH", "DE"})).region == "CH"
    assert "that country" in refusal("+41791234567", None, frozenset({"DE"}))
    assert "that country" in refusal("+41791234567", "CH", frozenset())


def test_country_is_the_number_s_own_not_that_of_its_country_code():
    allowed = frozenset({"US", "GB"})
    assert "that country" in refusal("+1 876 555 1234", "US", allowed)  # Jamaica
    assert "that country" in refusal("+44 7911 123456", "GB", allowed)  # Guernsey


@given(st.text("0123456789+-()./ ٤é\ud800a", max_size=30))
@settings(deadline=None)
def test_every_text_is_a_mobile_number_or_refused(text):
    try:
        number = parse(text, "CH", None)
    except PhoneError:
        return
    assert number.e164[1:].isascii()
    assert number.e164[1:].isdigit()


def test_places_and_carriers_are_never_loaded():
    costly = ("geocoder", "geodata", "carrier", "carrierdata", "timezone", "tzdata")
    code = (
        f"import sys, idprotect.phone; print([n for n in {costly} if f'phonenumbers.{{n}}' in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
