"""Policies from file to effect: put into force with care, kept in versions, tested, and enforced over real HTTP."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idprotect import protection
from idprotect.models import AuditEvent, session
from idprotect.risk import RiskLevel
from tests.support.world import (
    MFA_POLICY,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_BLOCK,
    USER_RISK_POLICY,
    World,
)
from tests.test_risk_verbs import find

BLOCK_ALL = '[[policy]]\nname = "all"\nstate = "on"\nthen = { require = ["block"] }\n'
BLOCK_ADMINISTRATORS = """
[[policy]]
name = "nobody-administers"
state = "on"
who = { roles = ["administrator"] }
then = { require = ["block"] }
"""
BLOCK_CONSOLE = """
[[policy]]
name = "no-console"
state = "on"
clients = { include = ["idprotect-admin"] }
then = { require = ["block"] }
"""
OFFICE = '[[location]]\nname = "office"\nnetworks = ["198.51.100.0/28"]\ntrusted = true\n'


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that writes a policy file and returns its name."""

    def write(*parts: str, name: str = "policies.toml") -> str:
        path = tmp_path / name
        path.write_text("\n".join(parts))
        return str(path)

    return write


def answer(world: World, *arguments: str) -> Any:
    """Run a policy command with --json and return what it answers."""
    result = world.cli("policy", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def refusal(world: World, *arguments: str) -> str:
    """Run a policy command that must be refused; return the lines that say why."""
    result = world.cli("policy", *arguments)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return str(result.output)


def audited(world: World, name: str) -> list[dict[str, Any]]:
    """Return the details of the audit events with a name."""
    with world.arranging():
        rows = session().query(AuditEvent).filter(AuditEvent.name == name).order_by(AuditEvent.id)
        return [{**row.details, "actor": row.actor} for row in rows]


# Versions


def test_versions_tell_who_when_why_and_what_changed(world: World, file: Any) -> None:
    """C073: list, show, compare."""
    answer(world, "apply", file(SIGN_IN_RISK_POLICY), "--note", "the first")
    answer(
        world, "apply", file(SIGN_IN_RISK_POLICY.replace('"mfa"', '"block"'), MFA_POLICY), "--note", "harder"
    )
    newest, first = answer(world, "versions")
    assert (first["version"], first["note"], first["changes"]) == (
        1,
        "the first",
        ["policy sign-in-risk added"],
    )
    assert newest["applied_by"].startswith("cli")
    assert newest["changes"] == ["policy sign-in-risk changed", "policy always-mfa added"]
    compared = answer(world, "diff", "1")
    assert compared["changes"][0]["fields"]["then"] == {
        "before": {"require": ["mfa"]},
        "after": {"require": ["block"]},
    }
    assert '+then = { require = ["block"] }' in compared["unified"]
    plain = world.cli("policy", "diff", "1", "--unified").output
    assert plain.startswith("--- version 1\n+++ version 2\n")
    assert answer(world, "diff", "1", "1") == {"changes": [], "unified": []}
    assert "no version 7" in refusal(world, "diff", "1", "7")


def test_one_step_goes_back_to_what_was_in_force_before(world: World, file: Any) -> None:
    """C073: a new version, equal to the old one; twice goes forth again; an emergency is no step."""
    for text in (SIGN_IN_RISK_POLICY, MFA_POLICY):
        answer(world, "apply", file(text))
    answer(world, "emergency", "on", "--reason", "a drill")
    back = answer(world, "rollback", "--note", "too hard")
    assert (back["version"], back["policies"], back["emergency"]) == (4, {"sign-in-risk": "on"}, True)
    assert answer(world, "show")["note"] == "as version 1: too hard"
    assert audited(world, "policy:rolled_back")[0]["version"] == 4
    assert answer(world, "rollback", "--to", "2")["policies"] == {"always-mfa": "on"}
    assert "no version 9" in refusal(world, "rollback", "--to", "9")


def test_there_is_no_way_back_from_the_first_version(world: World, file: Any) -> None:
    assert "no policies were applied" in refusal(world, "rollback")
    answer(world, "apply", file(SIGN_IN_RISK_POLICY))
    assert "no earlier version" in refusal(world, "rollback")


def test_an_export_is_a_file_that_gives_the_same_policies(world: World, file: Any) -> None:
    """F063, C074: export, import, equal."""
    everything = (OFFICE, SIGN_IN_RISK_POLICY, '[break_glass]\nusers = ["root"]\n')
    answer(world, "apply", file(*everything))
    exported = world.cli("policy", "export").output
    assert tomllib.loads(exported) == tomllib.loads("\n".join(everything))
    answer(world, "apply", file(exported))
    assert answer(world, "diff", "1", "2") == {"changes": [], "unified": []}
    assert world.cli("policy", "export", "--version", "9").exit_code == 1


def test_one_policy_is_turned_on_and_off_by_name(world: World, file: Any) -> None:
    """F049: a version of its own, with its reason."""
    answer(world, "apply", file(SIGN_IN_RISK_POLICY, MFA_POLICY))
    assert answer(world, "set-state", "always-mfa", "off")["policies"] == {
        "sign-in-risk": "on",
        "always-mfa": "off",
    }
    assert answer(world, "show")["note"] == "always-mfa: off"
    assert answer(world, "show", "--version", "1")["policy"][1]["state"] == "on", "versions never change"
    assert "no policy is called" in refusal(world, "set-state", "other", "on")


# What is refused


def test_policies_whose_tests_fail_are_not_put_into_force(world: World, file: Any) -> None:
    """D22: before every apply, also of one switch and of a rollback."""
    test = '[[test]]\nname = "risky"\nfacts = { sign_in_risk = "high", registered = true }\nexpect = '
    good = file(SIGN_IN_RISK_POLICY, test + '"notice_required"')
    assert answer(world, "apply", good)["version"] == 1
    assert answer(world, "test") == {"passed": 1}
    told = refusal(world, "apply", file(SIGN_IN_RISK_POLICY, test + '"allowed"'))
    assert "test risky: expected allowed, got notice_required" in told
    assert "got allowed" in refusal(world, "set-state", "sign-in-risk", "off")
    assert answer(world, "show")["version"] == 1


def test_a_draft_is_checked_without_putting_it_into_force(world: World, file: Any) -> None:
    """D21: what would change, and what speaks against it."""
    answer(world, "apply", file(SIGN_IN_RISK_POLICY))
    told = answer(world, "check", file(SIGN_IN_RISK_POLICY, MFA_POLICY))
    assert [(change["name"], change["change"]) for change in told["changes"]] == [("always-mfa", "added")]
    assert "confirm by typing" in refusal(world, "check", file(BLOCK_ALL))
    assert answer(world, "show")["version"] == 1


def test_stopping_everybody_has_to_be_confirmed_in_words(world: World, file: Any) -> None:
    """F064: and is asked once, not again for every later change."""
    assert "confirm by typing 'block everyone'" in refusal(world, "apply", file(BLOCK_ALL))
    assert "confirm" in refusal(world, "apply", file(BLOCK_ALL), "--confirm", "yes")
    answer(world, "apply", file(BLOCK_ALL.replace('"on"', '"report_only"')))
    answer(world, "apply", file(BLOCK_ALL), "--confirm", "block everyone")
    answer(world, "apply", file(BLOCK_ALL, MFA_POLICY))


def test_not_every_administrator_can_be_locked_out(world: World, file: Any) -> None:
    """C076, D04: one that is left is enough; a break-glass account is one."""
    world.make_user("root", roles=("administrator",))
    told = refusal(world, "apply", file(BLOCK_ADMINISTRATORS))
    assert "every administrator would be locked out: root" in told
    told = refusal(world, "apply", file(BLOCK_ALL), "--confirm", "block everyone")
    assert "locked out: root" in told
    world.make_user("glass", roles=("administrator",))
    answer(world, "apply", file(BLOCK_ADMINISTRATORS, '[break_glass]\nusers = ["glass"]\n'))
    world.act(protection.confirm_compromised, "root", "test")
    assert "locked out: glass, root" in refusal(world, "apply", file(BLOCK_ADMINISTRATORS))
    assert "locked out: glass, root" in refusal(world, "apply", file(BLOCK_CONSOLE))


def test_whoever_is_locked_out_already_does_not_hinder_a_change(world: World, file: Any) -> None:
    """C076: the guard is about what a change does; a rollback is a change."""
    answer(world, "apply", file(BLOCK_ADMINISTRATORS))
    answer(world, "apply", file(USER_RISK_BLOCK))
    world.make_user("root", roles=("administrator",))
    assert "locked out: root" in refusal(world, "rollback")
    world.act(protection.confirm_compromised, "root", "test")
    answer(world, "apply", file(USER_RISK_BLOCK, MFA_POLICY))


def test_an_emergency_does_not_end_in_a_lock_out(world: World, file: Any) -> None:
    """C076: what was applied in it is judged as if it were enforced, and again when it ends."""
    answer(world, "apply", file(BLOCK_ADMINISTRATORS))
    answer(world, "emergency", "on", "--reason", "nobody gets in")
    world.make_user("root", roles=("administrator",))
    assert "locked out: root" in refusal(world, "emergency", "off", "--reason", "done")
    answer(world, "apply", file(MFA_POLICY))
    assert answer(world, "emergency", "off", "--reason", "done")["emergency"] is False


def test_a_trusted_location_is_not_deleted_by_mistake(world: World, file: Any) -> None:
    """F056: trust has to be taken away first; one that a policy names stays as well; a rollback may."""
    answer(world, "apply", file(MFA_POLICY))
    answer(world, "apply", file(OFFICE, MFA_POLICY))
    assert "location 'office' is trusted" in refusal(world, "apply", file(MFA_POLICY))
    used = '[[policy]]\nname = "p"\nwhen = { locations = ["office"] }\nthen = { require = ["mfa"] }\n'
    assert "no location is called 'office'" in refusal(world, "apply", file(used))
    answer(world, "rollback", "--to", "1")
    answer(world, "apply", file(OFFICE))
    answer(world, "apply", file(OFFICE.replace("true", "false")))
    answer(world, "apply", file(MFA_POLICY))


def test_names_that_nobody_has_are_warned_about(world: World, file: Any) -> None:
    """A policy for an application that does not exist never applies."""
    world.make_user()
    text = MFA_POLICY.replace(
        "then", 'who = { users = ["ada", "adda"] }\nclients = { include = ["nots", "notes"] }\nthen'
    )
    assert answer(world, "apply", file(text))["warnings"] == [
        "policy 'always-mfa': no client is called 'nots'",
        "policy 'always-mfa': no user is called 'adda'",
    ]


# One switch


def test_in_an_emergency_nothing_is_enforced_and_the_reason_is_kept(world: World, file: Any) -> None:
    """C073: audited; what policies would have said is still recorded."""
    world.make_user()
    answer(world, "apply", file(MFA_POLICY))
    assert world.browser().start().sign_in().step == "mfa_registration"
    assert "--reason" in world.cli("policy", "emergency", "on").output
    answer(world, "emergency", "on", "--reason", "text messages do not arrive")
    assert world.browser().start().sign_in().is_signed_in
    answer(world, "emergency", "off", "--reason", "they do again")
    assert world.browser().start().sign_in().step == "mfa_registration"
    assert [row["note"] for row in audited(world, "policy:emergency")] == [
        "text messages do not arrive",
        "they do again",
    ]


# Enforced


def test_a_sign_in_that_is_too_old_is_asked_for_again(world: World) -> None:
    """F060: over the limit asks again, within it does not; the refresh token of the old one is refused."""
    world.make_user()
    world.apply('[[policy]]\nname = "often"\nstate = "on"\nthen = { sign_in_frequency = "1h" }\n')
    browser = world.browser().start().sign_in()
    assert browser.is_signed_in
    world.clock.move(minutes=50)
    assert browser.start().is_signed_in
    world.clock.move(minutes=15)
    assert browser.start().step == "sign_in"
    assert "sign in again" in browser.text
    assert browser.sign_in().is_signed_in


def test_every_time_leaves_five_minutes(world: World) -> None:
    """F060: not so short that the pages cannot be walked through."""
    world.make_user(authenticators=("totp",))
    world.apply(
        '[[policy]]\nname = "a"\nstate = "on"\nthen = { require = ["mfa"], sign_in_frequency = "every_time" }\n'
    )
    browser = world.browser().start().sign_in()
    assert browser.step == "mfa"
    browser.submit({"code": world.totp()})
    assert browser.is_signed_in
    world.clock.move(minutes=4)
    assert browser.start().is_signed_in
    world.clock.move(minutes=6)
    assert browser.start().step == "sign_in"


def test_a_silent_request_of_an_old_sign_in_is_told_that_a_login_is_required(world: World) -> None:
    """F060, OIDC Core 3.1.2.6."""
    world.make_user()
    world.apply('[[policy]]\nname = "often"\nstate = "on"\nthen = { sign_in_frequency = "10m" }\n')
    browser = world.browser().start().sign_in()
    world.clock.move(minutes=11)
    assert "login_required" in browser.start("/none").page.text


def test_a_code_is_refused_where_phishing_has_to_be_resisted_and_the_page_says_so(world: World) -> None:
    """F046."""
    world.make_user(authenticators=("totp",))
    world.apply(
        '[[policy]]\nname = "bank"\nstate = "on"\nthen = { require = ["mfa"], strength = "phishing_resistant" }\n'
    )
    browser = world.browser().start().sign_in()
    assert browser.step == "block"
    assert "cannot be phished" in browser.text


RISK_REMEDIATION = USER_RISK_POLICY.replace('"password_change"', '"risk_remediation"')


def test_risk_of_tokens_alone_is_remediated_without_a_new_password(world: World) -> None:
    """F045, C067: MFA, everything ends, sign in again with MFA, risk closed."""
    world.make_user(authenticators=("totp",))
    world.apply(RISK_REMEDIATION)
    elsewhere = world.browser().start().sign_in()
    find(world, "anomalous_token", RiskLevel.HIGH)
    browser = world.browser().start().sign_in()
    browser.acknowledge().prove()
    assert browser.step == "recovery"
    assert "on every device" in browser.text
    browser.submit(action="/recovery")
    assert browser.step == "sign_in"
    browser.sign_in()
    browser.acknowledge().prove()
    assert browser.is_signed_in
    assert world.read(lambda user: (user.risk.label, user.risk_detail)) == ("none", "sessions_revoked")
    assert elsewhere.start().step == "sign_in"


def test_risk_of_the_password_is_remediated_by_a_new_one(world: World) -> None:
    """F045: the same policy; signing out would not help against somebody who knows the password."""
    world.make_user(authenticators=("totp",))
    world.apply(RISK_REMEDIATION)
    world.act(protection.confirm_compromised, "ada", "test")
    browser = world.browser().start().sign_in()
    browser.acknowledge().prove()
    assert browser.step == "password_change"


def test_a_second_factor_cannot_be_added_from_outside(world: World) -> None:
    """F058: on the account page and when a policy asks for one; inside both go on."""
    world.make_user()
    outside = """
[[policy]]
name = "add-factors-inside"
state = "on"
when = { exclude_locations = ["office"], registering = true }
then = { require = ["block"] }
"""
    world.apply(OFFICE, outside)
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.is_signed_in
    assert browser.get("/account/methods").step == "block"
    world.apply(OFFICE, outside, MFA_POLICY)
    assert world.browser(TOR_ADDRESS).start().sign_in().step == "block"
    inside = world.browser("198.51.100.10").start().sign_in()
    assert inside.step == "mfa_registration"


def test_using_a_break_glass_account_alarms_every_administrator(world: World) -> None:
    """F064: exempt from everything, and never unnoticed; once a sign-in."""
    world.make_user("glass", roles=("administrator",))
    world.make_user("root", roles=("administrator",))
    world.make_user("ada")
    world.list_address()
    world.apply(SIGN_IN_RISK_POLICY.replace('"mfa"', '"block"'), '[break_glass]\nusers = ["glass"]\n')
    assert world.browser(TOR_ADDRESS).start().sign_in("root").step == "block"
    browser = world.browser(TOR_ADDRESS).start().sign_in("glass")
    assert browser.is_signed_in
    browser.start()
    assert [row["actor"] for row in audited(world, "break_glass:used")] == ["glass"]
    mails = world.mails("break-glass")
    assert sorted(mail.to for mail in mails) == ["glass@example.org", "root@example.org"]
    assert "glass" in mails[0].body
    assert TOR_ADDRESS in mails[0].body
