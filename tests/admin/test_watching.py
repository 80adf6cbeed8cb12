"""F019: a burst of directory reads or of mass edits raises a detection on the actor."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from idprotect import protection
from idprotect.models import RiskDetection, User
from tests.security.place import Place, Visitor

EXPORT = "/admin/users/export.csv"
USERNAME = "the-administrator"


def administrator(place: Place) -> Visitor:
    """Let an administrator come in."""
    place.make_user(USERNAME, authenticators=("totp",), roles=("administrator",))
    visitor = place.browser().get("/admin/").sign_in(USERNAME)
    return visitor.submit({"code": place.totp(USERNAME)})


def export(visitor: Visitor) -> None:
    """Take the list of users, to its last row: a file that is not read stays open."""
    assert "the-administrator" in visitor.get(EXPORT).page.text


def raised(place: Place) -> list[Any]:
    """Return what was raised about anybody's activity."""
    return place.rows(RiskDetection, RiskDetection.name == "anomalous_admin_activity")


def test_a_burst_of_exports_is_held_against_who_made_it_once(make_a_place: Callable[..., Place]) -> None:
    """F019: medium, about the user, at the third of three; further ones in the burst raise no more."""
    place = make_a_place(IDPROTECT_CONSOLE_READS_PER_HOUR=3)
    visitor = administrator(place)
    for _ in range(2):
        export(visitor)
    assert raised(place) == []
    assert visitor.get("/admin/find?reference=AAAAA-AAAAA").status == 404
    export(visitor)
    (found,) = raised(place)
    (actor,) = place.rows(User, User.username == USERNAME)
    assert (found.user_id, found.level, found.about) == (actor.id, 2, "user")
    assert found.reasons == ["at least 3 exports and look-ups in the console within an hour"]
    assert actor.risk.label == "medium"


def test_the_same_over_a_day_is_work(make_a_place: Callable[..., Place]) -> None:
    """F019: only what lies within an hour counts together."""
    place = make_a_place(IDPROTECT_CONSOLE_READS_PER_HOUR=3, IDPROTECT_ADMIN_IDLE=7200)
    visitor = administrator(place)
    for _ in range(4):
        export(visitor)
        place.clock.move(minutes=31)
    assert raised(place) == []


def test_mass_edits_are_held_against_who_made_them(make_a_place: Callable[..., Place]) -> None:
    """F019: each target of an act in bulk counts, and every one of them is still done."""
    place = make_a_place(IDPROTECT_CONSOLE_ACTS_PER_HOUR=3)
    visitor = administrator(place)
    people = [place.make_user(name) for name in ("ada", "kim", "lee", "max")]
    for name in ("ada", "kim", "lee", "max"):
        place.act(protection.confirm_compromised, name, "test")
    visitor.get(f"/admin/acts/dismiss?{urlencode({'id': people}, doseq=True)}")
    assert visitor.status == 200, visitor.text
    visitor.submit({"reason": "A drill, and over."}, action="/admin/acts/")
    (found,) = raised(place)
    assert found.reasons == ["at least 3 acts in the console within an hour"]
    assert {row.username for row in place.rows(User, User.id.in_(people)) if row.risk.label == "none"} == {
        "ada",
        "kim",
        "lee",
        "max",
    }
