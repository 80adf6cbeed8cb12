"""D19: people see and take away what is known of them, and nothing is kept for longer than the settings say."""

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from idprotect import clock, counts
from idprotect.audit import Event
from idprotect.intelligence import sample
from idprotect.models import (
    AuditEvent,
    Device,
    Receipt,
    RiskCount,
    RiskDetection,
    RiskHistory,
    RiskProfile,
    SignIn,
    session,
)
from idprotect.risk.population import Change, Count
from tests.security.place import Place, Visitor
from tests.support.world import CHROME, SIGN_IN_RISK_POLICY, TOR_ADDRESS

LONDON, SYDNEY = "198.51.100.7", "240.2.3.4"
SAFE = ("--reason", "spoke to her")


@pytest.fixture
def informed(make_a_place: Callable[..., Place]) -> Place:
    """Run a server that knows where addresses are."""
    return make_a_place(
        IDPROTECT_CITY_DATABASE=str(sample.FOLDER / "city.mmdb"),
        IDPROTECT_ASN_DATABASE=str(sample.FOLDER / "asn.mmdb"),
    )


def download(visitor: Visitor) -> Any:
    """Press the button, and read the file."""
    visitor.get("/account/known").submit(action="known")
    assert visitor.page.mimetype == "application/json", visitor.text
    assert "attachment" in visitor.page.headers["Content-Disposition"]
    assert "no-store" in visitor.page.headers["Cache-Control"]
    return json.loads(visitor.page.text)


def test_nobody_outside_is_asked_anything(informed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """C054: a sign-in is judged, stopped and told of without one connection or name that is looked up."""

    def refuse(*target: Any, **_options: Any) -> None:
        raise AssertionError(f"something outside was asked: {target}")

    informed.make_user("ada", authenticators=("totp",))
    informed.list_address()
    informed.apply(SIGN_IN_RISK_POLICY)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    visitor = informed.browser(TOR_ADDRESS).start().sign_in("ada")

    assert visitor.step != "application"
    with informed.app.app_context():
        assert session().query(RiskDetection).count() > 0


def test_people_see_and_download_what_is_known_of_them(informed: Place) -> None:
    """D19: habits in words and counts, sign-ins, findings; nobody else's, and nothing that helps an attacker."""
    place = informed
    for name in ("ada", "bob"):
        place.make_user(name)
    place.signed_in("bob", address=SYDNEY, user_agent=CHROME)
    place.browser(LONDON).start().fail()
    for _ in range(3):
        place.signed_in(address=LONDON)
        place.clock.move(days=3)
    assert place.cli("user", "confirm-compromised", "ada", "--reason", "a secret of admins").exit_code == 0
    assert place.cli("user", "confirm-safe", "ada", *SAFE).exit_code == 0
    visitor = place.signed_in(address=LONDON)
    assert "What is known about you" in visitor.text
    page = visitor.get("/account/known").text
    for shown in ("London", "GB", "Firefox on Linux", "sign-ins were learnt"):
        assert shown in page, page

    known = download(visitor)
    assert known["about"] == "ada"
    assert {row["value"] for row in known["habits"]["countries"]} == {"GB"}
    assert known["habits"]["countries"][0]["times"] == known["habits"]["sign_ins_learnt"] > 1
    assert len(known["habits"]["wrong_passwords"]) == 1
    assert {row["address"] for row in known["sign_ins"]} == {LONDON}
    assert [row["what"] for row in known["detections"]] == ["admin confirmed"]
    assert known["detections"][0]["closed_at"] is not None
    assert [row["to"] for row in known["history_of_risk"]] == ["none", "high"]
    assert known["familiar_browsers"]
    (profile,) = place.rows(RiskProfile, RiskProfile.user_id == place.read(lambda user: user.id))
    hashed = {
        key.partition(":")[2] for key in profile.document[7] if key.startswith(("site:", "block:", "exact:"))
    }
    assert hashed
    text = json.dumps(known)
    for secret in ("240.2.3.4", "bob", "a secret of admins", "nats", 'score"', *hashed):
        assert secret not in text
    assert len(place.rows(AuditEvent, AuditEvent.name == Event.USER_EXPORTED)) == 1


def test_the_download_wants_a_fresh_proof_and_no_risk(place: Place) -> None:
    """D19, D14: what an intruder would want most; the page is for whoever is signed in."""
    place.make_user(authenticators=("totp",))
    visitor = place.signed_in()
    visitor.get("/account/known").submit(action="known")
    assert visitor.step in ("sign_in", "mfa"), visitor.text
    if visitor.step == "sign_in":
        visitor.sign_in()
    visitor.submit({"code": place.totp()})
    assert visitor.step == "account/known", "back to the page, where the button is"
    assert download(visitor)["about"] == "ada"
    place.clock.move(minutes=6)
    assert visitor.get("/account/known").submit(action="known").step in ("sign_in", "mfa")

    assert place.cli("user", "confirm-compromised", "ada", "--reason", "x").exit_code == 0
    risky = place.signed_in()
    assert risky.get("/account/known").submit(action="known").status == 403
    assert risky.get("/account/known").go("POST", "/account/known", {}).status in (400, 403)


def test_nothing_is_kept_for_longer_than_the_settings_say(make_a_place: Callable[..., Place]) -> None:
    """D19, C095: by table; what is at risk stays, and the newest line of the history."""
    place = make_a_place(
        IDPROTECT_KEEP_SIGN_INS_DAYS=100,
        IDPROTECT_KEEP_RECEIPTS_DAYS=50,
        IDPROTECT_KEEP_AUDIT_DAYS=60,
        IDPROTECT_KEEP_ADDRESSES_DAYS=10,
        IDPROTECT_KEEP_PROFILES_DAYS=70,
    )
    place.make_user()
    place.signed_in()
    for verb in ("confirm-compromised", "confirm-safe"):
        assert place.cli("user", verb, "ada", *SAFE).exit_code == 0

    def kept(days: int) -> dict[str, int]:
        place.clock.move(days=days)
        assert place.cli("purge").exit_code == 0
        models = (SignIn, Receipt, RiskProfile, RiskDetection, Device)
        counted = {model.__name__: len(place.rows(model)) for model in models}
        told = len(place.rows(AuditEvent, AuditEvent.name == Event.RISK_CONFIRMED))
        return counted | {"told": told, "history": len(place.rows(RiskHistory))}

    everything = {"SignIn": 1, "RiskProfile": 1, "RiskDetection": 1, "Device": 1, "told": 1, "history": 2}
    before = kept(9)
    assert before.items() >= everything.items()
    assert before["Receipt"] >= 1
    (sign_in,) = place.rows(SignIn)
    assert (sign_in.ip_address, sign_in.is_coarse) == ("198.51.100.10", False)

    assert kept(2)["SignIn"] == 1
    (sign_in,) = place.rows(SignIn)
    assert (sign_in.ip_address, sign_in.user_agent) == ("198.51.100.0", "")
    assert (sign_in.device_name, sign_in.signals["network"]["address"]) == (
        "Firefox on Linux",
        "198.51.100.0",
    )
    assert kept(40)["Receipt"] == 0
    assert kept(10)["told"] == 0
    after = kept(10)
    assert (after["RiskProfile"], after["SignIn"]) == (0, 1)
    after = kept(30)
    assert (after["SignIn"], after["RiskDetection"], after["history"]) == (0, 0, 1)
    assert kept(300)["Device"] == 0


def test_old_sign_ins_are_judged_again_after_their_addresses_became_coarse(place: Place) -> None:
    """D19, F054: the log stays one that can be replayed."""
    place.make_user()
    place.list_address(TOR_ADDRESS)
    place.apply(SIGN_IN_RISK_POLICY)
    place.signed_in()
    place.clock.move(days=91)
    assert json.loads(place.cli("purge", "--json").stdout)["coarse_sign_ins"] == 1
    assert json.loads(place.cli("purge", "--json").stdout)["coarse_sign_ins"] == 0
    assert place.cli("replay", "--stored").exit_code == 0


def test_a_failure_with_a_key_that_somebody_chose_is_kept_for_two_weeks(place: Place) -> None:
    """D19: whoever fails chooses address and browser; that does not fill the table for months."""
    place.make_user()
    attacker = place.browser("203.0.113.77", "a browser that nobody has").start()
    attacker.fail()
    with place.arranging():
        counts.write(now=True)
    chosen = (RiskCount.key.like("site:%") | RiskCount.key.like("exact:%"), RiskCount.ok == 0)
    assert len(place.rows(RiskCount, *chosen)) == 2
    place.clock.move(days=13)
    place.cli("purge")
    assert len(place.rows(RiskCount, *chosen)) == 2
    place.clock.move(days=2)
    place.cli("purge")
    assert place.rows(RiskCount, *chosen) == []


@pytest.mark.parametrize("every_days", [1, 3, 5, 13])
def test_a_slow_spray_is_counted_as_well_with_a_daily_purge(place: Place, every_days: int) -> None:
    """F011, D19: what is deleted is worth less than a quarter of an account, ever after."""
    key = ("site", "somewhere")
    ideal = Count()
    now = clock.now() - timedelta(days=1)
    with place.arranging():
        for day in range(80):
            at = (now + timedelta(days=day)).timestamp()
            if day % every_days == 0:
                fail_at(key, at)
                ideal.move_to(at)
                ideal.accounts += 1
            counts.forget(at)
            ideal.move_to(at)
            found = counts.stored([key], at).get(key, Count(at)).accounts
            session().commit()
            assert ideal.accounts - 0.25 <= found <= ideal.accounts + 1e-6, day


def fail_at(key: tuple[str, str], at: float) -> None:
    """Count a failing account, and write it."""
    counts.add(at, [Change(key, failed=1, accounts=1)])
    counts.write(now=True)
