"""F025: a detection that is off raises nothing, and ``detection preview`` says beforehand what would change."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from idprotect.models import RiskDetection, SignIn, session
from tests.support.world import TOR_ADDRESS, World


def sign_in_from_tor(world: World) -> None:
    """Let Ada sign in at home, a day later from a listed address, and fail there once."""
    world.list_address(TOR_ADDRESS)
    world.browser().start().sign_in()
    world.clock.move(days=1)
    world.browser(TOR_ADDRESS).start().sign_in()
    world.browser(TOR_ADDRESS).start().sign_in(password="wrong")


def raised(world: World) -> set[str]:
    """Return the names of what was detected."""
    with world.arranging():
        return {row.name for row in session().query(RiskDetection)}


def previewed(world: World, *options: str) -> Any:
    """Ask for a preview."""
    result = world.cli("detection", "preview", *options, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def newest_sign_in(world: World) -> tuple[str, str]:
    """Return the newest good sign-in with its level."""
    with world.arranging():
        row = session().query(SignIn).filter(SignIn.succeeded).order_by(SignIn.signed_in_at.desc()).first()
        assert row is not None
        return row.id, row.risk.label


def test_a_detection_that_is_off_raises_nothing(make_world: Callable[..., World]) -> None:
    """F025: the same sign-in, with the switch and without."""
    on, off = make_world(), make_world(IDPROTECT_DETECTIONS_OFF=("anonymous_ip",))
    for world in (on, off):
        world.make_user()
        sign_in_from_tor(world)
    assert "anonymous_ip" in raised(on)
    assert "anonymous_ip" not in raised(off)


def test_switching_off_is_previewed_and_changes_nothing(world: World) -> None:
    """F025: which detections, which levels, which sign-ins; wrong passwords are none."""
    world.make_user()
    sign_in_from_tor(world)
    before, (sign_in, level) = raised(world), newest_sign_in(world)
    assert level == "medium"

    said = previewed(world, "--off", "anonymous_ip")
    assert said["sign_ins"] == 2
    assert said["detections"] == {"anonymous_ip": {"more": 0, "fewer": 1}}
    assert said["medium_or_above"] == {"more": 0, "fewer": 1}
    assert [(move["from"], move["sign_ins"]) for move in said["levels"]] == [("medium", 1)]
    assert said["newest"] == [{"sign_in": sign_in, "from": "medium", "to": said["levels"][0]["to"]}]
    assert raised(world) == before


def test_a_threshold_is_previewed(world: World) -> None:
    """F025: another level of the same finding."""
    world.make_user()
    sign_in_from_tor(world)
    said = previewed(world, "--threshold", "anonymous_ip.level=high")
    assert said["detections"] == {}
    assert said["levels"] == [{"from": "medium", "to": "high", "sign_ins": 1}]
    assert said["medium_or_above"] == {"more": 0, "fewer": 0}


def test_switching_on_again_is_previewed(make_world: Callable[..., World]) -> None:
    """F025: the other way round, on a server where it is off."""
    world = make_world(IDPROTECT_DETECTIONS_OFF=("anonymous_ip",))
    world.make_user()
    sign_in_from_tor(world)
    assert previewed(world)["detections"] == {}
    said = previewed(world, "--on", "anonymous_ip")
    assert said["detections"] == {"anonymous_ip": {"more": 1, "fewer": 0}}
    assert said["medium_or_above"] == {"more": 1, "fewer": 0}


def test_only_the_last_days_count(world: World) -> None:
    """F025: what is older still teaches what is familiar."""
    world.make_user()
    sign_in_from_tor(world)
    world.clock.move(days=40)
    assert previewed(world, "--off", "anonymous_ip")["sign_ins"] == 0
    assert previewed(world, "--off", "anonymous_ip", "--days", "60")["sign_ins"] == 2


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--off", "anonymous", "IDPROTECT_DETECTIONS_OFF: no such detection: anonymous"),
        ("--threshold", "anonymous_ip.level=worst", "IDPROTECT_DETECTION_THRESHOLDS: anonymous_ip.level"),
        ("--threshold", "anonymous_ip.level", "is not like"),
    ],
)
def test_what_does_not_fit_is_told(world: World, option: str, value: str, told: str) -> None:
    """F025: the words are those that the settings would be refused with."""
    result = world.cli("detection", "preview", option, value)
    assert result.exit_code != 0
    assert told in result.stderr
