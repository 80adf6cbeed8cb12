"""Each detection over the real pages: people sign in, and what was found stands in the database (F002-F023)."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from idprotect.intelligence import sample
from idprotect.intelligence.sources import in_folder
from idprotect.models import RiskDetection, SignIn
from tests.security.conftest import make_a_place, pristine  # noqa: F401 (fixtures)
from tests.security.place import Place, Visitor
from tests.support.world import CHROME, FIREFOX, SIGN_IN_RISK_POLICY

LONDON, NEARBY, PARIS = "198.51.100.7", "198.51.100.8", "192.0.2.70"
SYDNEY, LAGOS = "240.2.3.4", "240.3.9.9"
TOOL = "python-requests/2.32.3"
WRONG = "a password that nobody has"
TEAM = ("ada", "bob", "cid", "dot", "eve", "fay")
LISTS = ",".join(source.setting for source in in_folder(sample.FOLDER))


@pytest.fixture
def town(make_a_place: Callable[..., Place]) -> Place:  # noqa: F811
    """Run a server that knows where addresses are, with six people."""
    return _town(make_a_place)


def _town(make: Callable[..., Place], **config: Any) -> Place:
    place = make(
        **{
            "IDPROTECT_CITY_DATABASE": str(sample.FOLDER / "city.mmdb"),
            "IDPROTECT_ASN_DATABASE": str(sample.FOLDER / "asn.mmdb"),
            "IDPROTECT_ADDRESS_LISTS": LISTS,
            **config,
        }
    )
    for name in TEAM:
        place.make_user(name)
    return place


def come(visitor: Visitor, name: str = "ada", password: str | None = None) -> dict[str, str]:
    """Sign in anew in a browser; return the level of what was found, by name."""
    for cookie in [cookie for cookie in visitor.cookies if "device" not in cookie]:
        del visitor.cookies[cookie]
    visitor.start().sign_in(name, *([password] if password else []))
    rows = visitor.place.rows(SignIn)
    newest = max(rows, key=lambda row: row.signed_in_at)
    found = visitor.place.rows(RiskDetection, RiskDetection.sign_in_id == newest.id)
    return {row.name: row.risk.label for row in found}


def at_home(place: Place, names: Sequence[str] = ("ada",), times: int = 4) -> Visitor:
    """Let people become known in London; return the browser of the first."""
    browsers = {name: place.browser(LONDON, FIREFOX) for name in names}
    for _ in range(times):
        place.clock.move(days=2)
        for name, browser in browsers.items():
            assert come(browser, name) == {}, name
    return browsers[names[0]]


def moved(visitor: Visitor, address: str) -> Visitor:
    """Take a browser somewhere else."""
    visitor.headers["X-Forwarded-For"] = address
    return visitor


def test_an_unknown_network_and_browser_are_unfamiliar_and_a_known_browser_nearby_is_not(town: Place) -> None:
    """F002, F005: after learning; near home in the usual browser nothing is flagged, nor in the next city."""
    home = at_home(town)
    town.clock.move(days=2)
    assert "unfamiliar_sign_in" in come(town.browser(SYDNEY, CHROME))
    town.clock.move(days=3)
    assert come(moved(home, NEARBY)) == {}
    town.clock.move(days=3)
    assert "unfamiliar_sign_in" not in come(moved(home, PARIS))


def test_a_new_account_is_learnt_wherever_it_comes_from(town: Place) -> None:
    """F003: three networks within the window raise no unfamiliarity."""
    for address, agent in ((LONDON, FIREFOX), (PARIS, CHROME), (SYDNEY, FIREFOX)):
        assert "unfamiliar_sign_in" not in come(town.browser(address, agent))
        town.clock.move(days=2)


@pytest.mark.parametrize("why", ["idle", "confirmed"])
def test_who_was_away_for_long_or_was_confirmed_is_learnt_anew(town: Place, why: str) -> None:
    """F004: the next odd sign-in is not unfamiliar."""
    at_home(town)
    town.clock.move(days=2)
    if why == "idle":
        town.clock.move(days=61)
    else:
        assert town.cli("user", "confirm-safe", "ada", "--reason", "spoke to her").exit_code == 0
    assert "unfamiliar_sign_in" not in come(town.browser(PARIS, CHROME))


def test_nobody_is_in_london_and_half_an_hour_later_in_sydney(town: Place) -> None:
    """F006: high with a new device."""
    at_home(town)
    town.clock.move(minutes=30)
    assert come(town.browser(SYDNEY, CHROME))["impossible_travel"] == "high"


def test_an_egress_that_colleagues_use_is_no_journey(town: Place) -> None:
    """F007: the company's way into the internet may be anywhere."""
    home = at_home(town)
    for _ in range(2):
        for name in ("bob", "cid", "dot", "eve"):
            come(town.browser(SYDNEY, CHROME), name)
    come(moved(home, LONDON))
    town.clock.move(minutes=30)
    assert "impossible_travel" not in come(moved(home, SYDNEY))


def test_an_address_that_failed_for_many_is_suspicious_when_it_succeeds(town: Place) -> None:
    """F010: a success after eight failures for several accounts, medium."""
    at_home(town)
    for name in ("bob", "cid", "dot"):
        for _ in range(3):
            come(town.browser(LAGOS, TOOL), name, WRONG)
    assert come(town.browser(LAGOS, TOOL))["suspicious_ip"] == "medium"


def test_a_spray_makes_a_detection_on_whom_it_hits_alone(town: Place) -> None:
    """F011, F021: counters only, until one password is right."""
    for number in range(8):
        come(town.browser(LAGOS, TOOL), f"nobody{number}", WRONG)
    for name in TEAM:
        come(town.browser(LAGOS, TOOL), name, WRONG)
    assert town.rows(RiskDetection) == []
    assert come(town.browser(LAGOS, TOOL))["password_spray"] == "high"
    owner = town.read(lambda user: user.id)
    assert {row.user_id for row in town.rows(RiskDetection)} == {owner}


def test_a_list_of_the_operators_has_its_own_level_and_is_named(
    make_a_place: Callable[..., Place],  # noqa: F811
    tmp_path: Any,
) -> None:
    """F013: the row names the list."""
    file = tmp_path / "bots.txt"
    file.write_text(f"{PARIS}\n")
    place = _town(make_a_place, IDPROTECT_ADDRESS_LISTS=f"botnet={file}@high")
    assert come(place.browser(PARIS, CHROME))["listed_ip"] == "high"
    (row,) = place.rows(RiskDetection, RiskDetection.name == "listed_ip")
    assert "botnet" in " ".join(row.reasons)


def test_a_country_is_new_to_the_user_and_to_the_organisation(town: Place) -> None:
    """F014: where nobody of the team signs in from."""
    home = at_home(town, TEAM)
    town.clock.move(hours=26)
    assert come(moved(home, SYDNEY))["new_country"] == "medium"
    assert "new_country" not in come(moved(home, LONDON))


def test_one_browser_that_signs_in_many_from_many_countries_is_suspicious(town: Place) -> None:
    """F016: three accounts, two countries."""
    visitor = town.browser(LONDON, CHROME)
    assert come(visitor, "ada") == {}
    assert "suspicious_browser" not in come(visitor, "bob")
    town.clock.move(hours=20)
    assert come(moved(visitor, PARIS), "cid")["suspicious_browser"] == "medium"


def test_a_trusted_location_lowers_the_level_and_policies_still_look(town: Place) -> None:
    """F023: the same odd device from there is judged lower, and asked for what policies demand of that."""
    at_home(town)
    town.clock.move(days=1)
    outside = come(town.browser(PARIS, CHROME))
    level = max(town.rows(SignIn), key=lambda row: row.signed_in_at).risk
    assert outside
    town.clock.move(days=1)
    town.apply(
        SIGN_IN_RISK_POLICY,
        f"""
[[location]]
name = "office"
networks = ["{PARIS}/32"]
trusted = true
[[policy]]
name = "not for Ada"
state = "on"
who = {{ users = ["ada"] }}
then = {{ require = ["block"] }}
""",
    )
    visitor = town.browser(PARIS, CHROME)
    come(visitor)
    assert max(town.rows(SignIn), key=lambda row: row.signed_in_at).risk < level
    assert visitor.step == "block"
