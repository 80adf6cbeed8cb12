"""The people, the application and the data files of the demonstration."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from idprotect import clients, clock, methods, policies, protection, users
from idprotect.intelligence import sample
from idprotect.intelligence.breached_passwords import build, common_passwords
from idprotect.intelligence.sources import in_folder
from idprotect.models import Client, SignIn, User, session
from idprotect.registration import CLIENT_CREDENTIALS, CODE_GRANTS, SIGNALS, Registration
from idprotect.simulation import SCENARIOS

PASSWORD = "quiet herons over slate"
LEAKED_PASSWORD = "letmein letmein letmein"
CLIENT_ID = "northwind-notes"
BY = "demo"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to try.

    :param phone: a number for text messages, which arrive in the outbox.
    :param prepare: what happened to this person before.
    """

    username: str
    name: str
    story: str
    password: str = PASSWORD
    phone: str | None = None
    prepare: Callable[[User], str | None] | None = None
    roles: tuple[str, ...] = ()


def _compromised(user: User) -> None:
    protection.confirm_compromised(user, BY, "seen in the demonstration")


def _temporary(user: User) -> str:
    return users.set_temporary_password(user, BY)


PEOPLE = (
    Person("ada", "Ada Lovelace", "Nothing special: is asked to set up a second factor, and may put it off."),
    Person(
        "zoe", "Zoë Haddad", "Type a wrong password three times, then this one: a risky sign-in.",
        phone="+447400123401",
    ),
    Person("kim", "Kim Park", "The same without a second factor: the sign-in is blocked."),
    Person(
        "leo", "Leo Costa", "The password is in a leaked list: recover with a new one.",
        LEAKED_PASSWORD, "+447400123402",
    ),
    Person(
        "max", "Max Weber", "An administrator confirmed the compromise: recover.", phone="+447400123403",
        prepare=_compromised,
    ),
    Person("mia", "Mia Rossi", "Compromised, without a second factor: the account is blocked.", prepare=_compromised),
    Person("tim", "Tim Olsen", "Has a temporary password, good for one sign-in.", prepare=_temporary),
    Person(
        "eve", "Eve Adams", "Administers: sign in to the console; its second factor is a text message.",
        phone="+447400123404", roles=("administrator",),
    ),
)  # fmt: skip


def attacks(issuer: str) -> list[dict[str, str]]:
    """Return the scenarios that the server plays on its simulation page."""
    url = f"{issuer}/simulation"
    return [
        {"title": scenario.title, "about": scenario.about, "url": f"{url}#{scenario.name}"}
        for scenario in SCENARIOS.values()
    ]


def data_files(folder: Path) -> dict[str, str]:
    """Return the settings that name data files of every kind, so that each detector can look."""
    breached = folder / "breached.txt"
    if not breached.exists():
        build([*common_passwords(), LEAKED_PASSWORD], breached)
    return {
        "IDPROTECT_CITY_DATABASE": str(sample.FOLDER / "city.mmdb"),
        "IDPROTECT_ASN_DATABASE": str(sample.FOLDER / "asn.mmdb"),
        "IDPROTECT_ADDRESS_LISTS": ",".join(source.setting for source in in_folder(sample.FOLDER)),
        "IDPROTECT_BREACHED_PASSWORDS": str(breached),
    }


def seed(relying_party: str, secret: str) -> list[dict[str, str]]:
    """Fill an empty database; return the people with their passwords as a visitor needs them.

    :param relying_party: the application's address.
    """
    people = []
    for person in PEOPLE:
        user = session().query(User).filter_by(username=person.username).one_or_none()
        temporary = None
        if user is None:
            user, temporary = _create(person)
        shown = temporary or (
            "(used up; ask for another)" if person.prepare is _temporary else person.password
        )
        people.append({"username": person.username, "password": shown, "story": person.story})
    client = session().get(Client, CLIENT_ID)
    if client is not None:
        session().delete(client)
        session().flush()
    clients.create(_northwind(relying_party), by=BY, client_id=CLIENT_ID, secret=secret)
    if not policies.newest_version():
        policies.apply(tomllib.loads((Path(__file__).parent / "policies.toml").read_text()), BY)
    session().commit()
    return people


def _northwind(url: str) -> Registration:
    """Register everything that the application shows: sign-out from both sides, and signals, also of risk."""
    return Registration(
        client_name="Northwind Notes",
        redirect_uris=(f"{url}/callback",),
        post_logout_redirect_uris=(f"{url}/signed-out",),
        backchannel_logout_uri=f"{url}/backchannel-logout",
        grant_types=(*CODE_GRANTS, CLIENT_CREDENTIALS),
        scope=f"openid profile email offline_access {SIGNALS}",
        release_risk=True,
    )


def _create(person: Person) -> tuple[User, str | None]:
    user = users.create(
        person.username,
        person.password,
        by=BY,
        name=person.name,
        email=f"{person.username}@example.org",
        roles=person.roles,
        allow_breached=True,
    )
    if person.phone:
        authenticator = methods.METHODS["sms"].register(user, SignIn(id="0" * 32), person.phone)
        authenticator.confirmed_at = clock.now()
        session().add(authenticator)
        session().flush()
    return user, person.prepare(user) if person.prepare else None
