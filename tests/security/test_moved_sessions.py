"""Sessions whose cookie turns up elsewhere: judged at once, and decided about where everything is (F015, C048, D15)."""

from collections.abc import Callable
from typing import Any

import pytest
from flask_login import login_required

from idprotect.intelligence import sample
from idprotect.models import Receipt, SignIn, session
from tests.support.world import CHROME, SIGN_IN_RISK_BLOCK, SIGN_IN_RISK_POLICY, Browser, World

LONDON, SYDNEY = "198.51.100.7", "240.2.3.4"
REPORT_ONLY = SIGN_IN_RISK_POLICY.replace('"on"', '"report_only"')


@pytest.fixture
def town(make_world: Callable[..., World]) -> World:
    """Return a server that knows where addresses are."""
    return make_world(
        IDPROTECT_CITY_DATABASE=str(sample.FOLDER / "city.mmdb"),
        IDPROTECT_ASN_DATABASE=str(sample.FOLDER / "asn.mmdb"),
    )


def at_home(town: World) -> Browser:
    """Sign Ada in at home."""
    browser = town.browser(LONDON).start().sign_in()
    assert browser.is_signed_in
    return browser


def thief_of(home: Browser) -> Browser:
    """Copy the cookie of a session into another browser, on the other side of the world."""
    thief = home.world.browser(SYDNEY, CHROME)
    cookie = next(cookie for cookie in home.http.cookies if cookie.name == "idprotect-session")
    thief.http.cookies.set_cookie(cookie)
    home.world.clock.move(minutes=10)
    return thief


def decided(town: World) -> dict[str, Any]:
    """Return the newest decision: outcome, reason, and what each policy said."""
    with town.arranging():
        newest = session().query(Receipt).order_by(Receipt.id.desc()).first()
        assert newest is not None
        said = {result["policy"]: result["outcome"] for result in newest.results}
        return {"outcome": newest.outcome, "reason": newest.reason, "policies": said}


def risk_of_session(town: World) -> str:
    """Return the risk of the only session."""
    with town.arranging():
        return session().query(SignIn).one().session_risk.label


def test_without_any_policy_a_copied_cookie_has_to_sign_in(town: World) -> None:
    """F015, C048: nothing goes out, the user is at high risk, and the owner has to sign in again, too."""
    town.make_user()
    home = at_home(town)
    thief = thief_of(home).start()
    assert thief.step == "sign_in"
    assert decided(town) == {
        "outcome": "sign_in_required",
        "reason": "session_risk",
        "policies": {"(session)": "sign_in_required"},
    }
    assert town.read(lambda user: user.risk.label) == "high"
    assert home.get("/account").step == "sign_in"
    assert home.start().sign_in().is_signed_in, "at home the password is enough"


def test_a_copied_cookie_is_not_laundered_by_asking_for_something_else(town: World) -> None:
    """D15: whatever it asks for, the use is compared with how the session began."""
    town.make_user()
    thief = thief_of(at_home(town))
    assert thief.get("/account").step == "sign_in"
    assert thief.start().step == "sign_in"


def test_a_policy_about_sign_in_risk_asks_for_the_second_factor(town: World) -> None:
    """F039, C048, D15: of thief and owner, for the cookie was copied; a factor newer than that clears it."""
    town.make_user(authenticators=("totp",))
    town.apply(SIGN_IN_RISK_POLICY)
    home = at_home(town)
    thief = thief_of(home).start()
    assert thief.step == "notice"
    assert "Sydney" in thief.text
    assert thief.acknowledge().step == "mfa"
    assert decided(town)["policies"] == {"sign-in-risk": "mfa_required", "(session)": "allowed"}

    assert home.start().step == "mfa", "the risk of a session does not fall by itself"
    assert home.prove().is_signed_in
    assert risk_of_session(town) == "none"
    assert thief.start().step == "sign_in", "the copied cookie is worth nothing any more"


def test_an_old_second_factor_says_nothing_about_who_has_the_cookie_now(town: World) -> None:
    """F015, product 2.2: what clears a risk is newer than it."""
    town.make_user(authenticators=("totp",))
    town.apply(
        """
[[policy]]
name = "always"
state = "on"
then = { require = ["mfa"] }
"""
        + SIGN_IN_RISK_POLICY
    )
    home = town.browser(LONDON).start().sign_in().prove()
    assert home.is_signed_in
    assert thief_of(home).start().acknowledge().step == "mfa"


@pytest.mark.parametrize("policy", [SIGN_IN_RISK_POLICY, SIGN_IN_RISK_BLOCK, REPORT_ONLY])
def test_whoever_cannot_be_challenged_signs_in_again(town: World, policy: str) -> None:
    """C048: without a factor nobody registers one with a cookie; nor does a block outlast the cookie."""
    town.make_user()
    town.apply(policy)
    home = at_home(town)
    assert thief_of(home).start().step == "sign_in"
    assert decided(town)["outcome"] == "sign_in_required"
    assert home.start().step == "sign_in"
    assert home.sign_in().is_signed_in


def test_in_an_emergency_a_session_goes_on_and_its_risk_is_remembered(town: World) -> None:
    """F039, F015: the switch holds here, too; afterwards the risk is still there."""
    town.make_user()
    home = at_home(town)
    assert town.cli("policy", "emergency", "on", "--reason", "the location data are wrong").exit_code == 0
    assert thief_of(home).start().is_signed_in
    assert decided(town)["policies"] == {"(session)": "would_sign_in_required"}
    assert town.cli("policy", "emergency", "off", "--reason", "they are right again").exit_code == 0
    assert home.start().step == "sign_in"


def test_a_session_that_moves_among_the_places_of_its_user_goes_on(town: World) -> None:
    """F005: people move, and are asked for nothing."""
    town.make_user()
    home = at_home(town)
    town.clock.move(minutes=10)
    home.move_to("198.51.100.8")
    assert home.start().is_signed_in
    assert risk_of_session(town) in ("none", "low")


def test_pages_of_whoever_extends_the_server_see_nobody(town: World) -> None:
    """I6, C048: Flask-Login's current_user is nobody in a session at risk."""
    town.app.add_url_rule("/mine", "mine", login_required(lambda: "only for people"))
    town.make_user()
    home = at_home(town)
    assert home.get("/mine").page.text == "only for people"
    assert "only for people" not in thief_of(home).get("/mine").page.text
