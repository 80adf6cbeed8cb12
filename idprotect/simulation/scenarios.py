"""What can be played. Each scenario says which detections it raises, and raises these and no others.

To add one: write a function that acts on the stage, and a line in :data:`SCENARIOS`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from idprotect.browser import DEVICE, SESSION
from idprotect.intelligence import sample
from idprotect.simulation import machines
from idprotect.simulation.cast import Cast
from idprotect.simulation.journeys import come_by, sign_in
from idprotect.simulation.stage import Stage


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario.

    :param about: what happens, in a sentence.
    :param promises: names of the detections that it raises; none: nobody is to be bothered.
    :param play: plays it, and returns where the last journey ended.
    """

    name: str
    title: str
    about: str
    promises: frozenset[str]
    play: Callable[[Stage, Cast], str]


def traveller(stage: Stage, cast: Cast) -> str:
    """The owner travels, with the laptop of every day, to a country where colleagues live."""
    laptop = cast.owner.browser
    laptop.address = stage.address(sample.FIBRE_EU, sample.BERLIN)
    stage.tell(f"the owner signs in from Berlin ({laptop.address}) with the laptop of every day")
    return sign_in(stage, laptop, cast.owner, has_phone=True)


def new_phone(stage: Stage, cast: Cast) -> str:
    """The owner signs in at home, with a phone that was never seen."""
    phone = stage.browser(machines.PHONE, cast.owner.browser.address)
    stage.tell(f"the owner signs in at home ({phone.address}) with a new phone, {phone.machine.name}")
    return sign_in(stage, phone, cast.owner, has_phone=True)


def new_country(stage: Stage, cast: Cast) -> str:
    """The owner travels, with the laptop of every day, to a country where nobody lives."""
    laptop = cast.owner.browser
    laptop.address = stage.address(sample.FIBRE_BR, sample.SAO_PAULO)
    stage.tell(f"the owner signs in from São Paulo ({laptop.address}) with the laptop of every day")
    return sign_in(stage, laptop, cast.owner, has_phone=True)


def impossible_traveller(stage: Stage, cast: Cast) -> str:
    """The owner is at home, and an hour later on another continent, with another computer."""
    home = cast.owner.browser
    stage.tell(f"the owner signs in at home in London ({home.address})")
    sign_in(stage, home, cast.owner, has_phone=True)
    stage.wait(hours=1)
    thief = stage.browser(machines.MAC, stage.address(sample.CABLE_US, sample.NEW_YORK))
    stage.tell(f"an hour later somebody does so in New York ({thief.address}) with {thief.machine.name}")
    return sign_in(stage, thief, cast.owner)


def anonymiser(stage: Stage, cast: Cast) -> str:
    """Somebody with the right password comes through Tor."""
    thief = stage.browser(machines.TOR_BROWSER, stage.random.choice(TOR_EXITS))
    stage.tell(f"somebody signs in through a Tor exit ({thief.address}) with {thief.machine.name}")
    return sign_in(stage, thief, cast.owner)


def sprayed_account(stage: Stage, cast: Cast) -> str:
    """A script tries one password on one account after another, slowly; on the owner's it is right."""
    thief = stage.browser(machines.SCRIPT, stage.address(sample.CLOUD, sample.AMSTERDAM))
    stage.tell(
        f"{thief.machine.name} in a data centre ({thief.address}) tries a password on "
        f"{len(cast.colleagues)} accounts, half an hour apart"
    )
    for colleague in cast.colleagues:
        sign_in(stage, thief, colleague, "Herons2026! Herons2026!")
        stage.wait(minutes=30)
    stage.tell("on the owner's account it is right")
    return sign_in(stage, thief, cast.owner)


def brute_force(stage: Stage, cast: Cast) -> str:
    """Somebody tries passwords on one account until one is right."""
    thief = stage.browser(machines.LINUX, stage.address(sample.MOBILE_GB, sample.LONDON))
    stage.tell(
        f"somebody on a mobile network ({thief.address}) tries {GUESSES} wrong passwords, 20 minutes apart"
    )
    for number in range(GUESSES):
        sign_in(stage, thief, cast.owner, f"guess number {number}")
        stage.wait(minutes=20)
    stage.tell("the next one is right")
    return sign_in(stage, thief, cast.owner)


def stolen_cookie(stage: Stage, cast: Cast) -> str:
    """The cookie of a session is copied into another browser, far away."""
    home = cast.owner.browser
    stage.tell(f"the owner signs in at home ({home.address})")
    sign_in(stage, home, cast.owner, has_phone=True)
    stage.wait(minutes=10)
    thief = stage.browser(machines.LINUX, stage.address(sample.CLOUD, sample.SINGAPORE))
    thief.take_cookie(home, SESSION)
    stage.tell(
        f"ten minutes later the session's cookie turns up in Singapore ({thief.address}) in {thief.machine.name}"
    )
    return come_by(stage, thief)


def leaked_password(stage: Stage, cast: Cast) -> str:
    """The owner's password turns up in breached data, and the owner signs in as ever."""
    stage.world.leaked.add(cast.owner.password)
    stage.tell("the owner's password turns up in breached data")
    stage.tell(f"the owner signs in at home ({cast.owner.browser.address}) as ever")
    return sign_in(stage, cast.owner.browser, cast.owner, has_phone=True)


def shared_browser(stage: Stage, cast: Cast) -> str:
    """One browser signs in one account after another, and then the owner's from another country."""
    thief = stage.browser(machines.LINUX, stage.address(sample.FIBRE_EU, sample.BERLIN))
    stage.tell(f"a browser in Berlin ({thief.address}) signs in {len(cast.colleagues)} accounts")
    for colleague in cast.colleagues:
        sign_in(stage, thief, colleague)
        stage.wait(minutes=5)
    stage.wait(hours=5)
    elsewhere = stage.browser(thief.machine, stage.address(sample.FIBRE_GB, sample.LONDON))
    elsewhere.take_cookie(thief, DEVICE)
    stage.tell(f"five hours later the same browser signs in the owner's from London ({elsewhere.address})")
    return sign_in(stage, elsewhere, cast.owner)


TOR_EXITS = tuple(address for address in sample.TOR_EXITS if "." in address)
GUESSES = 8


def _scenario(play: Callable[[Stage, Cast], str], title: str, *promises: str) -> Scenario:
    name = play.__name__.replace("_", "-")
    return Scenario(name, title, play.__doc__ or "", frozenset(promises), play)


_ALL = (
    _scenario(traveller, "Traveller"),
    _scenario(new_phone, "New phone"),
    _scenario(new_country, "New country", "new_country"),
    _scenario(impossible_traveller, "Impossible traveller", "impossible_travel", "unfamiliar_sign_in"),
    _scenario(anonymiser, "Anonymiser", "anonymous_ip", "unfamiliar_sign_in"),
    _scenario(sprayed_account, "Sprayed account", "password_spray", "unfamiliar_sign_in"),
    _scenario(brute_force, "Brute force", "repeated_failures"),
    _scenario(stolen_cookie, "Stolen cookie", "anomalous_token"),
    _scenario(leaked_password, "Leaked password", "leaked_credentials"),
    _scenario(shared_browser, "One browser, many accounts", "suspicious_browser"),
)

#: The scenarios by name, first those in which nothing is wrong.
SCENARIOS = {scenario.name: scenario for scenario in _ALL}
