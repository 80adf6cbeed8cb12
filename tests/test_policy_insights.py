"""What policies would do, asked on the command line over what really happened: what-if, preview, replay, report."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idprotect import clock, people, protection
from idprotect.conditional_access import AccessRequest
from idprotect.models import Receipt, SignIn, session
from tests.support.world import (
    HOME_ADDRESS,
    MFA_POLICY,
    SIGN_IN_RISK_BLOCK,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_BLOCK,
    USER_RISK_POLICY,
    World,
)
from tests.test_policies import BLOCK_ADMINISTRATORS, answer, refusal

OFFICE = f'[[location]]\nname = "office"\nnetworks = ["{HOME_ADDRESS}/32"]\n'
OUTSIDE_BLOCKED = """
[[policy]]
name = "outside"
state = "on"
when = { exclude_locations = ["office"] }
then = { require = ["block"] }
"""
Write = Callable[..., str]


@pytest.fixture
def file(tmp_path: Path) -> Write:
    """Return a function that writes a file and returns its name."""

    def write(*parts: str, name: str = "draft.toml") -> str:
        path = tmp_path / name
        path.write_text("\n".join(parts))
        return str(path)

    return write


def risky_sign_in(world: World, username: str = "ada") -> Any:
    """Sign in from the list of anonymisers and prove it; return the browser."""
    browser = world.browser(TOR_ADDRESS).start().sign_in(username)
    if browser.step == "notice":
        browser.acknowledge().submit({"code": world.totp(username)})
    return browser


# What-if


def test_what_if_takes_a_user_as_things_stand(world: World) -> None:
    """F052: groups, risk and second factor are the user's; the rest is imagined."""
    world.make_user(authenticators=("totp",), groups=("staff",))
    world.apply(USER_RISK_POLICY, SIGN_IN_RISK_POLICY)
    assert answer(world, "what-if", "--user", "ada")["outcome"] == "allowed"
    world.act(protection.confirm_compromised, "ada", "test")
    told = answer(world, "what-if", "--user", "ada", "--client", "notes")
    assert told["steps"] == ["notice", "mfa", "password_change"]
    assert [(row["policy"], row["outcome"]) for row in told["policies"]] == [
        ("user-risk", "mfa_required"),
        ("sign-in-risk", "not_applied"),
    ]
    assert told["policies"][1]["unmet"] == {"sign_in_risk": "sign-in risk is none, not medium or high"}


def test_what_if_imagines_everything_else(world: World, file: Write) -> None:
    """F052: address, risk, device, factor; also of somebody who does not exist, under a draft."""
    world.apply(SIGN_IN_RISK_POLICY)
    assert answer(world, "what-if", "--sign-in-risk", "high")["outcome"] == "blocked"
    asked = ("what-if", "--user", "eve", "--sign-in-risk", "high", "--registered")
    assert answer(world, *asked)["steps"] == ["notice", "mfa"]
    assert answer(world, *asked, "--proved", "otp")["outcome"] == "allowed"
    draft = file(OFFICE, OUTSIDE_BLOCKED)
    assert answer(world, "what-if", "--ip", HOME_ADDRESS, "--policies", draft)["outcome"] == "allowed"
    told = answer(world, "what-if", "--ip", TOR_ADDRESS, "--policies", draft)
    assert (told["version"], told["outcome"]) == ("draft", "blocked")
    plain = world.cli("policy", "what-if", "--user-risk", "low").output
    assert "user risk" not in plain
    assert "sign-in risk is none, not medium or high" in plain


def test_what_if_says_what_then_happens(world: World) -> None:
    """D03: the imagined sign-in and the real one end alike."""
    world.make_user()
    world.list_address()
    world.apply(SIGN_IN_RISK_POLICY)
    imagined = answer(world, "what-if", "--user", "ada", "--client", "notes", "--sign-in-risk", "medium")
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.step == imagined["steps"][0] == "block"


# Replay


def test_a_draft_is_replayed_over_what_happened(world: World, file: Write) -> None:
    """D01: which sign-ins change, for whom, prompts per user and week, references that can be looked up."""
    world.make_user("ada", authenticators=("totp",))
    world.make_user("eve")
    world.list_address()
    world.apply(SIGN_IN_RISK_POLICY)
    assert risky_sign_in(world).is_signed_in
    assert world.browser().start().sign_in("eve").is_signed_in
    assert answer(world, "replay", file(SIGN_IN_RISK_POLICY))["changed"] == 0
    told = answer(world, "replay", file(SIGN_IN_RISK_BLOCK))
    assert told["sign_ins"] == 2
    assert told["changes"] == [{"before": "notice_required", "after": "blocked", "sign_ins": 1}]
    assert told["prompts_per_user_and_week"] == {"before": 0.5, "after": 0.0}
    (changed,) = told["newest"]
    assert (changed["user"], changed["client"], changed["policies"]) == ("ada", "notes", ["sign-in-risk"])
    found = json.loads(world.cli("sign-in", "find", changed["reference"], "--json").output)
    assert found[0]["user"] == "ada"


def test_a_replay_can_begin_at_a_date_and_compare_with_what_is_in_force(world: World, file: Write) -> None:
    """D01: then it was allowed; by what is in force now it would not have been."""
    world.make_user()
    world.browser().start().sign_in()
    world.apply(MFA_POLICY)
    draft = file(MFA_POLICY)
    assert answer(world, "replay", draft)["changed"] == 1
    assert answer(world, "replay", draft, "--against-current")["changed"] == 0
    assert answer(world, "replay", draft, "--since", "1d")["sign_ins"] == 1
    world.clock.move(days=3)
    assert answer(world, "replay", draft, "--since", "1d")["sign_ins"] == 0
    assert answer(world, "replay", draft, "--since", "2020-01-31")["sign_ins"] == 1
    assert world.cli("policy", "replay", draft, "--since", "yesterday").exit_code == 2


def test_a_replay_finds_the_locations_of_the_draft(world: World, file: Write) -> None:
    """F055: a place that had no name when people signed in from it."""
    world.make_user()
    for address in (HOME_ADDRESS, TOR_ADDRESS):
        world.browser(address).start().sign_in()
    told = answer(world, "replay", file(OFFICE, OUTSIDE_BLOCKED))
    assert (told["sign_ins"], told["changed"]) == (2, 1)


def test_a_log_from_elsewhere_is_replayed_line_by_line(world: World, file: Write) -> None:
    """D01: facts as JSON Lines; a broken line is told and costs nothing else."""
    facts = {"at": "2026-01-01T12:00:00+00:00", "user_id": "u", "username": "ada", "client_id": "notes"}
    lines = [json.dumps(facts), "{", json.dumps({**facts, "sign_in_risk": "high", "registered": True})]
    log = file(*lines, name="log.jsonl")
    told = answer(world, "replay", file(SIGN_IN_RISK_POLICY), "--log", log)
    assert (told["sign_ins"], told["changed"]) == (2, 1)
    assert told["problems"][0].startswith("line 2: JSONDecodeError")


# Before turning on


def test_a_preview_says_whom_turning_on_would_hit(world: World) -> None:
    """F051, F065, D04: users at risk already, users without a factor, the administrator himself, the last 30 days."""
    world.make_user("ada", authenticators=("totp",))
    world.make_user("bob")
    world.make_user("root", roles=("administrator",))
    world.act(protection.confirm_compromised, "ada", "test")
    world.browser().start().sign_in("bob")
    world.apply(USER_RISK_BLOCK.replace('"on"', '"report_only"'), MFA_POLICY.replace('"on"', '"off"'))
    now = answer(world, "preview", "--turn-on", "user-risk")["now"]
    assert (now["users"], now["hit"], now["at_risk_already"]) == (3, 1, 1)
    assert now["examples"][0]["user"] == "ada"
    told = answer(world, "preview", "--turn-on", "always-mfa")
    assert (told["now"]["hit"], told["now"]["without_second_factor"]) == (3, 2)
    assert told["now"]["administrators"] == ["root"]
    assert told["last_30_days"]["changed"] == 1
    world.clock.move(days=31)
    assert answer(world, "preview", "--turn-on", "always-mfa")["last_30_days"]["sign_ins"] == 0
    assert answer(world, "show")["version"] == 1, "looking changes nothing"
    assert "no policy is called" in refusal(world, "preview", "--turn-on", "other")
    assert "either a file or" in refusal(world, "preview")


def test_a_preview_judges_people_where_they_last_got_in(world: World, file: Write) -> None:
    """D04: a policy about places is judged by real ones, not by none."""
    world.make_user("ada")
    world.make_user("eve")
    world.browser(HOME_ADDRESS).start().sign_in("ada")
    world.browser(TOR_ADDRESS).start().sign_in("eve")
    now = answer(world, "preview", file(OFFICE, OUTSIDE_BLOCKED))["now"]
    assert [hit["user"] for hit in now["examples"]] == ["eve"]


def test_trials_report_their_effect(world: World) -> None:
    """F049, F050: nobody notices, everything is counted, by sign-in and in the four outcomes."""
    world.make_user("ada", authenticators=("totp",))
    world.make_user("eve")
    world.list_address()
    world.apply(SIGN_IN_RISK_POLICY.replace('"on"', '"report_only"'))
    for username in ("ada", "eve"):
        assert world.browser(TOR_ADDRESS).start().sign_in(username).is_signed_in
    assert world.browser().start().sign_in("ada").is_signed_in
    assert answer(world, "report") == [
        {
            "policy": "sign-in-risk",
            "on_trial": True,
            "not_applied": 1,
            "success": 0,
            "action_required": 1,
            "failure": 1,
        }
    ]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_the_stored_log_is_read_as_a_stream_on_either_database(
    make_world: Callable[..., World], request: pytest.FixtureRequest, file: Write, database: str
) -> None:
    """F051, D01: more than one batch of receipts and people; the levels of users at risk are looked up in between."""
    url = request.getfixturevalue("postgres_url") if database == "postgresql" else ""
    world = make_world(IDPROTECT_DATABASE_URL=url)
    world.apply(MFA_POLICY.replace('"on"', '"off"'))
    world.make_user("root", roles=("administrator",))
    world.act(protection.confirm_compromised, "root", "test")
    with world.arranging():
        for number in range(people.BATCH + 1):
            _store_decision(f"{number:032}")
    told = answer(world, "preview", "--turn-on", "always-mfa")
    assert (told["now"]["hit"], told["now"]["administrators"]) == (1, ["root"])
    assert told["last_30_days"]["changed"] == people.BATCH + 1
    assert answer(world, "replay", file(MFA_POLICY))["users_affected"] == 1
    world.make_user("boss", roles=("administrator",))
    assert "locked out: boss, root" in refusal(world, "apply", file(BLOCK_ADMINISTRATORS))


def _store_decision(sign_in_id: str) -> None:
    """Store one sign-in of nobody in particular, and the receipt that let it in."""
    now = clock.now()
    moments = dict.fromkeys(("signed_in_at", "authenticated_at", "last_seen_at", "expires_at"), now)
    session().add(SignIn(id=sign_in_id, succeeded=True, **moments))
    facts = AccessRequest(now, "u", "bob", "notes", registered=True)
    session().add(
        Receipt(
            reference=sign_in_id[-11:],
            endpoint="authorize",
            sign_in_id=sign_in_id,
            user_id="u",
            client_id="notes",
            policy_version=1,
            outcome="allowed",
            facts=facts.to_dict(),
        )
    )


# Templates


@pytest.mark.parametrize("kind", ["user-risk", "sign-in-risk", "mfa-registration"])
def test_a_template_is_put_on_trial_without_its_author(world: World, kind: str) -> None:
    """F062, C075: report-only, the author left out; a second one gets a name of its own."""
    world.make_user("root", roles=("administrator",))
    assert answer(world, "template", kind, "--author", "root")["policies"] == {kind: "report_only"}
    policy = answer(world, "show")["policy"][0]
    assert policy["who"] == {"exclude_users": ["root"]}
    assert answer(world, "template", kind)["policies"] == {kind: "report_only", f"{kind}-2": "report_only"}


def test_the_three_templates_do_what_the_specification_says(world: World) -> None:
    """F038, F039: turned on one by one; recovery or block."""
    world.make_user(authenticators=("totp",))
    world.act(protection.confirm_compromised, "ada", "test")
    answer(world, "template", "user-risk")
    answer(world, "set-state", "user-risk", "on")
    assert answer(world, "what-if", "--user", "ada")["steps"] == ["notice", "mfa", "password_change"]
    answer(world, "template", "user-risk", "--block")
    answer(world, "set-state", "user-risk-2", "on")
    assert answer(world, "what-if", "--user", "ada")["outcome"] == "blocked"
    assert "no template 'mfa-registration' that blocks" in refusal(
        world, "template", "mfa-registration", "--block"
    )
