"""Whom a source means: each way of naming people (RFC 9493), and when a name is nobody's."""

from collections.abc import Iterator
from typing import Any

import pytest

from idprotect import users
from idprotect.errors import InteractionError, NotFound
from idprotect.models import User, session
from idprotect.signal_sources import sources
from idprotect.testing import Person, Provider
from tests.signal_sources.conftest import Listen, Source, risk_of


@pytest.fixture
def ada(provider: Provider) -> Iterator[Person]:
    """Make somebody with a verified address and number."""
    person = provider.person()
    set_claims(person, email_verified=True, phone_number=number_of(person), phone_number_verified=True)
    return person


def set_claims(person: Person, **claims: Any) -> None:
    """Give somebody claims."""

    def change(user: User) -> None:
        user.claims = {**user.claims, **claims}

    person.act(change)


def number_of(person: Person) -> str:
    """Return a number that is nobody else's."""
    return "+4179" + str(int(person.id[:12], 16))[:7]


def email(address: str) -> dict[str, Any]:
    """Name somebody by an address."""
    return {"format": "email", "email": address}


def test_each_way_of_naming_somebody(provider: Provider, source: Source, ada: Person) -> None:
    """C020: by whom the source is believed; also within complex and aliases, and as drafts spelled it."""
    host = provider.issuer.partition("//")[2]
    ours = {"format": "iss_sub", "iss": provider.issuer, "sub": ada.id}
    with provider.arranging():
        sources.map_subjects(sources.get(source.id), [("their-ada", users.get(ada.username))], "test")
    theirs = {"format": "iss_sub", "iss": source.transmitter.url, "sub": "their-ada"}
    named: list[dict[str, Any]] = [
        ours,
        theirs,
        {"format": "opaque", "id": ada.id},
        {"format": "account", "uri": f"acct:{ada.id}@{host}"},
        email(f"{ada.username}@EXAMPLE.org".upper()),
        {"format": "phone_number", "phone_number": number_of(ada)},
        {"subject_type": "iss-sub", "iss": source.transmitter.url, "sub": "their-ada"},
        {"format": "complex", "user": theirs, "session": {"format": "opaque", "id": "x"}},
        {"user": theirs, "device": {"format": "opaque", "id": "x"}},
        {"format": "aliases", "identifiers": [email("stranger@example.org"), theirs, ours]},
    ]
    for subject in named:
        assert source.tell(subject) in ("raised", "noted"), subject


def test_drafts_named_the_subject_within_the_event(source: Source, provider: Provider, ada: Person) -> None:
    """C020: Google's RISC does."""
    subject = {"subject_type": "iss-sub", "iss": provider.issuer, "sub": ada.id}
    claims = source.transmitter.claims(None, members={"current_level": "HIGH", "subject": subject})
    del claims["sub_id"]
    assert source.push(source.transmitter.sign(claims)).status_code == 202
    assert risk_of(ada) == "high"


def test_a_source_is_believed_only_in_its_own_words(provider: Provider, listen: Listen, ada: Person) -> None:
    """C020: with iss_sub alone, nobody is found by address, number or our own sub; nor by another issuer's sub."""
    source = listen(provider, subjects=("iss_sub",))
    with provider.arranging():
        sources.map_subjects(sources.get(source.id), [("their-ada", users.get(ada.username))], "test")
    for subject in (
        {"format": "iss_sub", "iss": provider.issuer, "sub": ada.id},
        {"format": "iss_sub", "iss": "https://other.example", "sub": "their-ada"},
        {"format": "iss_sub", "iss": source.transmitter.url, "sub": "somebody"},
        {"format": "opaque", "id": ada.id},
        {"format": "account", "uri": f"acct:{ada.id}@{provider.issuer.partition('//')[2]}"},
        email(f"{ada.username}@example.org"),
        {"format": "phone_number", "phone_number": number_of(ada)},
    ):
        assert source.tell(subject) == "not_ours", subject
    other = listen(provider, subjects=("ours", "email", "phone_number"))
    assert other.tell({"format": "iss_sub", "iss": other.transmitter.url, "sub": "their-ada"}) == "not_ours"


def test_an_address_has_to_be_verified_and_one_person_s(
    provider: Provider, source: Source, ada: Person
) -> None:
    """C020: an unverified one is nobody's, and takes it from nobody; verified twice, it is nobody's either."""
    address, number = f"{ada.username}@example.org", number_of(ada)
    squatter = provider.person(email=address.upper())
    set_claims(squatter, phone_number=number)
    assert source.tell(email(address)) == "raised"
    assert (risk_of(ada), risk_of(squatter)) == ("high", "none")
    set_claims(squatter, email_verified=True, phone_number_verified=True)
    assert source.tell(email(address)) == "not_ours"
    assert source.tell({"format": "phone_number", "phone_number": number}) == "not_ours"
    set_claims(ada, email_verified=False, phone_number_verified=False)
    set_claims(squatter, email_verified=False, phone_number_verified="true")
    assert source.tell(email(address)) == "not_ours"
    assert source.tell({"format": "phone_number", "phone_number": number}) == "not_ours"


def test_whoever_is_named_as_two_is_nobody(provider: Provider, source: Source, ada: Person) -> None:
    """C020: aliases that mean two people mean none."""
    kim = provider.person()
    identifiers = [{"format": "opaque", "id": ada.id}, {"format": "opaque", "id": kim.id}]
    assert source.tell({"format": "aliases", "identifiers": identifiers}) == "not_ours"
    nested = {"format": "aliases", "identifiers": [{"format": "aliases", "identifiers": identifiers[:1]}]}
    assert source.tell(nested) == "not_ours"


@pytest.mark.parametrize(
    "subject",
    [
        {"format": "iss_sub", "iss": 1, "sub": []},
        {"format": "opaque", "id": "a\0b"},
        {"format": "opaque", "id": "x" * 400},
        {"format": ["email"], "email": "a@b"},
        {"format": "email", "email": "@"},
        {"format": "account", "uri": "acct:"},
        {"format": "phone_number", "phone_number": 41},
        {"format": "complex", "user": "ada"},
        {"format": "complex", "user": {"format": "complex", "user": {}}},
        {"format": "aliases", "identifiers": "ada"},
        {"format": "aliases", "identifiers": [1, None]},
        {"format": "did", "url": "did:example:1"},
        {"user": None},
    ],
)
def test_odd_names_are_nobody_s(source: Source, subject: dict[str, Any]) -> None:
    """C020: taken like any stranger."""
    assert source.tell(subject) == "not_ours"


def test_a_mapping_is_made_and_forgotten(provider: Provider, source: Source, ada: Person) -> None:
    """C020: written down; gone with its user."""
    theirs = {"format": "iss_sub", "iss": source.transmitter.url, "sub": "their-ada"}
    with provider.arranging():
        sources.map_subjects(sources.get(source.id), [("their-ada", users.get(ada.username))], "test")
        assert sources.mapped_count(sources.get(source.id)) == 1
    assert source.tell(theirs) == "raised"
    source.act(sources.unmap_subject, "their-ada", "test")
    assert source.tell(theirs) == "not_ours"
    with pytest.raises(NotFound):
        source.act(sources.unmap_subject, "their-ada", "test")
    with pytest.raises(InteractionError):
        source.act(sources.map_subjects, [("a\0b", session)], "test")
