"""Live and replay are the same engine: what people did through the server is judged again from its own log."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from idprotect import learning, sign_in_log
from idprotect.intelligence import sample
from idprotect.intelligence.sources import in_folder
from idprotect.models import RiskHistory, session
from idprotect.replay import Came, Past, Tried
from idprotect.replay import World as ReplayWorld
from idprotect.replay.engine import Engine, Judged
from idprotect.risk import Kind, Result, RiskLevel
from idprotect.runtime import runtime
from tests.replay.stored_log import Said, said_live
from tests.support.world import CHROME, FIREFOX, PASSWORD, Browser, World

LONDON, MANCHESTER = "198.51.100.7", "198.51.100.70"
PARIS, OSLO, SYDNEY = "192.0.2.70", "192.0.2.9", "240.2.3.4"
LAGOS, SAO_PAULO = "240.3.9.9", "203.0.113.210"
CLOUD, TOR = "203.0.113.9", "203.0.113.66"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.1 Safari/605.1.15"
)
TOOL = "python-requests/2.32.3"
HOMES = {"ada": (LONDON, FIREFOX), "bob": (PARIS, CHROME), "cid": (MANCHESTER, SAFARI)}
POLICIES = """
[[policy]]
name = "risky sign-ins"
state = "on"
who = { exclude_groups = ["guarded"] }
when = { sign_in_risk = ["medium", "high"] }
then = { require = ["mfa"] }
[[policy]]
name = "risky sign-ins of guarded people"
state = "on"
who = { groups = ["guarded"] }
when = { sign_in_risk = ["medium", "high"] }
then = { require = ["block"] }
"""
LEVELS = ("none", "low", "medium", "high")
#: A replay is never told a password.
NEEDS_THE_PASSWORD = "leaked_credentials"  # noqa: S105


@dataclass
class Town:
    """A server that knows the sample's world, and three people, each with a browser at home."""

    world: World
    browsers: dict[str, Browser] = field(default_factory=dict)

    def sign_in(self, name: str, browser: Browser | None = None) -> Browser:
        """Sign somebody in, at home or in another browser, answering what is asked."""
        return answer(signed_out(browser or self.browsers[name]).start().sign_in(name), name)

    def sign_in_from(self, address: str, user_agent: str, name: str, password: str = PASSWORD) -> Browser:
        """Fill the sign-in page in a new browser."""
        return self.world.browser(address, user_agent).start().sign_in(name, password)


def answer(browser: Browser, name: str) -> Browser:
    """Answer what is asked, but for a block."""
    if browser.step == "notice":
        browser.acknowledge()
    if browser.step == "mfa":
        browser.prove(browser.world.totp(name))
    if browser.step == "review":
        browser.submit(button="later")
    return browser


def signed_out(browser: Browser) -> Browser:
    """Forget the sessions of a browser, but not what makes it familiar."""
    for cookie in list(browser.http.cookies):
        if cookie.name != "idprotect-device":
            browser.http.cookies.clear(cookie.domain, cookie.path, cookie.name)
    return browser


@pytest.fixture
def town(make_world: Callable[..., World]) -> Town:
    """Make it, and let everybody sign in at home often enough to be known."""
    world = make_world(
        IDPROTECT_CITY_DATABASE=str(sample.FOLDER / "city.mmdb"),
        IDPROTECT_ASN_DATABASE=str(sample.FOLDER / "asn.mmdb"),
        IDPROTECT_ADDRESS_LISTS=",".join(source.setting for source in in_folder(sample.FOLDER)),
    )
    for name in HOMES:
        groups = ["guarded"] if name == "bob" else []
        world.make_user(name, authenticators=("totp",), groups=groups)
    world.apply(POLICIES)
    town = Town(world, {name: world.browser(*home) for name, home in HOMES.items()})
    for _ in range(4):
        for name in HOMES:
            assert town.sign_in(name).is_signed_in, name
        world.clock.move(days=2)
    return town


def test_what_people_did_is_judged_alike_live_and_in_replay(town: Town) -> None:
    """F001-F020, F029: score, level, detections and user level of each event, whatever came before it."""
    for happens in THINGS:
        happens(town)
        town.world.clock.move(hours=7)
        for name in HOMES:
            town.sign_in(name)
    with town.world.arranging():
        log, live = list(sign_in_log.log()), said_live()
        replayed = _replay(log)
        tried = [entry for entry in log if isinstance(entry, Tried)]
        assert {entry.event_id for entry in tried} == live.keys()
        for entry in tried:
            assert _differences(entry, live[entry.event_id], replayed[entry.event_id]) == [], entry
            level = _user_level(entry, live[entry.event_id], log)
            assert level == replayed[entry.event_id].user_level, entry
    _assert_that_everything_happened(log, live)


def _assert_that_everything_happened(log: Iterable[Past], live: Mapping[str, Said]) -> None:
    levels = {
        (entry.attempt.kind, live[str(entry.event_id)].level) for entry in log if isinstance(entry, Tried)
    }
    assert levels >= {(Kind.PASSWORD, level) for level in LEVELS}
    assert levels >= {(Kind.SESSION, level) for level in LEVELS}
    assert {entry.result for entry in log if isinstance(entry, Came)} == set(Result)


def mistypes_and_goes_on(town: Town) -> None:
    """Wrong passwords at home, and then the right one."""
    home = signed_out(town.browsers["bob"]).start()
    for _ in range(3):
        home.sign_in("bob", "not the right password")
    assert home.sign_in("bob").is_signed_in


def travels(town: Town) -> None:
    """Far away the second factor is asked for, of a new phone or an old one; from then on the place is known."""
    away = answer(town.sign_in_from(SYDNEY, CHROME, "ada"), "ada")
    town.world.clock.move(days=1)
    town.sign_in("ada", away)
    for address in (CLOUD, LAGOS, MANCHESTER):
        town.world.clock.move(days=1)
        town.browsers["cid"].move_to(address)
        town.sign_in("cid")


def begins_twice(town: Town) -> None:
    """A sign-in that waits for its second factor is completed after another one that began later."""
    waiting = town.sign_in_from(OSLO, TOOL, "ada")
    town.world.clock.move(minutes=3)
    town.sign_in("ada")
    answer(waiting, "ada")


def guesses_codes(town: Town) -> None:
    """Somebody who has the password guesses codes until no more are taken."""
    guesser = town.sign_in_from(TOR, CHROME, "cid").acknowledge()
    for _ in range(6):
        assert guesser.step == "mfa"
        guesser.prove("000000")


def shares_a_browser(town: Town) -> None:
    """Somebody else signs in in a known browser; both are known in it then."""
    answer(signed_out(town.browsers["ada"]).start().sign_in("cid"), "cid")
    town.world.clock.move(hours=5)
    assert town.sign_in("ada").is_signed_in


def sprays(town: Town) -> None:
    """One address tries one password on everybody, and has bob's right; then from an anonymiser."""
    for name in (*HOMES, "dot", "eve"):
        town.sign_in_from(LAGOS, TOOL, name, "a password that many have")
    for address in (LAGOS, TOR):
        answer(town.sign_in_from(address, TOOL, "bob"), "bob")


def moves_with_a_session(town: Town) -> None:
    """A session goes on in the train; where that looks risky, or like a copied cookie, it ends."""
    for address, user_agent in ((OSLO, CHROME), (CLOUD, CHROME), (SYDNEY, CHROME), (SAO_PAULO, TOOL)):
        browser = town.sign_in("bob")
        town.world.clock.move(minutes=20)
        browser.http.headers.update({"X-Forwarded-For": address, "User-Agent": user_agent})
        browser.start()
        browser.http.headers.update({"X-Forwarded-For": PARIS, "User-Agent": CHROME})


def proves_who_moved(town: Town) -> None:
    """A session that turns up somewhere risky asks for the second factor, and is known there from then on."""
    for address in (SYDNEY, LONDON):
        browser = town.sign_in("cid") if address == SYDNEY else town.browsers["cid"]
        town.world.clock.move(minutes=10)
        browser.move_to(address)
        answer(browser.start(), "cid")
    town.browsers["cid"].move_to(MANCHESTER)


THINGS: tuple[Callable[[Town], None], ...] = (
    mistypes_and_goes_on,
    travels,
    begins_twice,
    guesses_codes,
    shares_a_browser,
    sprays,
    moves_with_a_session,
    proves_who_moved,
)


def _replay(log: Iterable[Past]) -> dict[str, Judged]:
    """Judge the log anew, by what the server judges by."""
    server = runtime()
    engine = Engine(
        ReplayWorld(
            intelligence=server.intelligence,
            detections=server.detections,
            session_detections=server.session_detections,
            learning=learning.rules(),
        )
    )
    judged = {}
    for entry in log:
        if isinstance(entry, Came):
            known = {"device": entry.device, "session": entry.session}
            assert engine.settle(entry.event_id, entry.result, **known), entry
        else:
            judged[entry.event_id] = engine.judge(entry.event_id, entry.attempt)
    return judged


def _differences(tried: Tried, live: Said, replayed: Judged) -> list[tuple[str, Any, Any]]:
    """Return what was said otherwise. Live judges no wrong password, and replay no password at all."""
    if tried.attempt.password_ok is False:
        return []
    assessment = replayed.assessment
    found = {finding.name: finding.level.label for finding in assessment.findings}
    pairs = [
        ("score", pytest.approx(live.score, abs=1e-3), assessment.score),
        ("level", live.level, assessment.level.label),
        ("detections", live.detections, found),
        ("not evaluated", _seen(live.not_evaluated), _seen(assessment.not_evaluated)),
    ]
    return [(name, said, again) for name, said, again in pairs if said != again]


def _seen(not_evaluated: Mapping[str, str]) -> dict[str, str]:
    return {name: why for name, why in not_evaluated.items() if name != NEEDS_THE_PASSWORD}


def _user_level(tried: Tried, live: Said, log: Iterable[Past]) -> RiskLevel:
    """Return the user's level after an attempt, and before anything came of it or happened next, by the history."""
    until = min((at for at in _later(tried, live, log)), default=datetime.max.replace(tzinfo=tried.at.tzinfo))
    lines = select(RiskHistory.to_level).where(
        RiskHistory.user_id == tried.attempt.user, RiskHistory.at < until
    )
    return RiskLevel(session().scalar(lines.order_by(RiskHistory.id.desc()).limit(1)) or 0)


def _later(tried: Tried, live: Said, log: Iterable[Past]) -> Iterator[datetime]:
    if live.proved_at is not None:
        yield live.proved_at
    for entry in log:
        if isinstance(entry, Came):
            # What came of the use of a session's cookie is written down in the moment of judging.
            is_next = entry.event_id == tried.event_id and tried.attempt.kind is Kind.PASSWORD
        else:
            is_next = entry.attempt.user == tried.attempt.user and entry.event_id != tried.event_id
        if is_next and entry.at >= tried.at:
            yield entry.at
