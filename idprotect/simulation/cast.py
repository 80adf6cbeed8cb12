"""The people of a scenario, and their past: weeks of ordinary sign-ins, through the same endpoints as everything."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from idprotect import clock, methods, users
from idprotect.intelligence import sample
from idprotect.intelligence.sample import City, System
from idprotect.methods.base import secret_of
from idprotect.models import SignIn, User, session
from idprotect.simulation import journeys, machines
from idprotect.simulation.browsers import Browser, Machine
from idprotect.simulation.stage import Stage

BY = "simulation"
#: The owner signed in so often, in so many days.
OWNER_SIGN_INS, DAYS = 9, 28
#: Minutes by which people are early or late.
UNPUNCTUAL = 40

#: Where the owner's colleagues live: two in each country, so that the organisation is at home there.
COLLEAGUES: tuple[tuple[str, System, City], ...] = (
    ("amir", sample.FIBRE_GB, sample.LONDON),
    ("beth", sample.FIBRE_GB, sample.MANCHESTER),
    ("clara", sample.FIBRE_EU, sample.BERLIN),
    ("dieter", sample.FIBRE_EU, sample.BERLIN),
    ("elsa", sample.FIBRE_EU, sample.AMSTERDAM),
    ("frans", sample.FIBRE_EU, sample.AMSTERDAM),
    ("gina", sample.CABLE_US, sample.NEW_YORK),
    ("hank", sample.CABLE_US, sample.NEW_YORK),
)


@dataclass
class Person:
    """Somebody simulated.

    :ivar seed: what the authenticator app makes its codes from.
    :ivar browser: the one that the person usually sits at, at home.
    """

    id: str
    username: str
    password: str
    seed: str
    browser: Browser


@dataclass
class Cast:
    """Who plays: the owner of the account that it is about, and everybody else."""

    owner: Person
    colleagues: list[Person] = field(default_factory=list)


def hire(stage: Stage, username: str) -> Cast:
    """Make the people, and let their past happen until the stage opens."""
    stage.now = stage.opens_at - timedelta(days=DAYS + 1)
    cast = Cast(_person(stage, username, machines.LAPTOP, sample.FIBRE_GB, sample.LONDON))
    for name, system, city in COLLEAGUES:
        machine = stage.random.choice(machines.COLLEAGUES)
        cast.colleagues.append(_person(stage, f"{username}-{name}", machine, system, city))
    _live(stage, cast)
    stage.now = stage.opens_at
    return cast


def _person(stage: Stage, username: str, machine: Machine, system: System, city: City) -> Person:
    # Known to nobody but the stage, and gone with it.
    password = secrets.token_urlsafe(24)
    browser = stage.browser(machine, stage.address(system, city))

    def make() -> Person:
        with stage.app.app_context():
            user = users.create(username, password, by=BY, allow_breached=True)
            user.simulated = True
            seed = _register(user)
            session().commit()
            return Person(user.id, user.username, password, seed, browser)

    return stage.act(make)


def _register(user: User) -> str:
    """Give somebody an authenticator app; return its seed."""
    authenticator = methods.METHODS["totp"].register(user, SignIn(id="0" * 32), "")
    authenticator.confirmed_at = clock.now()
    session().add(authenticator)
    session().flush()
    return secret_of(authenticator)


def _live(stage: Stage, cast: Cast) -> None:
    """Let the past happen in order: the owner for weeks, at home and in the office; colleagues yesterday."""
    owner, home = cast.owner, cast.owner.browser.address
    office = stage.address(sample.OFFICE_GB, sample.LONDON)
    days = sorted(stage.random.sample(range(2, DAYS), OWNER_SIGN_INS), reverse=True)
    for number, day in enumerate(days):
        owner.browser.address = office if number % 3 == 1 else home
        late = stage.random.randrange(-UNPUNCTUAL, UNPUNCTUAL)
        stage.now = stage.opens_at + timedelta(days=-day, minutes=late)
        journeys.sign_in(stage, owner.browser, owner, has_phone=True)
    owner.browser.address = home
    for number, colleague in enumerate(cast.colleagues):
        stage.now = stage.opens_at + timedelta(days=-1, minutes=3 * number)
        journeys.sign_in(stage, colleague.browser, colleague, has_phone=True)
