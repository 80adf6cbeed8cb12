"""The command line: everything an operator needs, also when nobody can sign in; each command also speaks JSON."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from idprotect import clock, protection, triage
from idprotect.cli.acts import NAMES
from idprotect.models import AuditEvent, PolicyVersion, SignIn, session
from idprotect.registration import TOKEN_EXCHANGE
from tests.oidc.signing import KEY, public
from tests.support.world import (
    PASSWORD,
    REGISTRATION_POLICY,
    SIGN_IN_RISK_BLOCK,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_POLICY,
    World,
)

WHY = ("--reason", "spoke to her")


def answer(world: World, *arguments: str, stdin: str | None = None) -> Any:
    """Run a command with --json and return what it answers."""
    result = world.cli(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def refusal(world: World, *arguments: str, stdin: str | None = None) -> str:
    """Run a command that must be refused; return the line that says why."""
    result = world.cli(*arguments, stdin=stdin)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return str(result.output)


def test_the_first_administrator_is_made_by_command_with_a_random_secret(world: World) -> None:
    """A 6.3.2: no default accounts; the temporary password works once and forces a new one."""
    made = answer(world, "user", "create", "root", "--administrator", "--email", "root@example.org")
    assert made["roles"] == ["administrator"]
    again = answer(world, "user", "create", "other", "--administrator")
    assert again["temporary_password"] != made["temporary_password"]
    browser = world.browser().start().sign_in("root", made["temporary_password"])
    assert browser.step == "password_change"


def test_a_user_is_made_with_a_password_from_standard_input(world: World) -> None:
    """A password never stands in the list of processes."""
    made = answer(
        world, "user", "create", "Ada", "--password-stdin", "--group", "staff", stdin=PASSWORD + "\n"
    )
    assert made["username"] == "ada"
    assert "temporary_password" not in made
    assert world.browser().start().sign_in("ADA").is_signed_in


@pytest.mark.parametrize(
    ("arguments", "stdin", "reason"),
    [
        (("user", "create", "ada"), None, "exists"),
        (("user", "create", "аda"), None, "looks like it"),  # noqa: RUF001 (a Cyrillic letter is the point)
        (("user", "create", "a b"), None, "no spaces"),
        (("user", "create", "bob", "--password-stdin"), "short\n", "15"),
        (("user", "show", "nobody"), None, "no user"),
        (("sign-in", "find", "22222-22222"), None, "no decision"),
        (("sign-in", "dismiss", "unknown", "--reason", "x"), None, "no sign-in"),
        (("client", "disable", "unknown"), None, "no client"),
        (("client", "create", "X", "--redirect-uri", "http://example.org/cb"), None, "must be https"),
        (("client", "create", "X", "--redirect-uri", "https://x/cb#f"), None, "fragment"),
        (("policy", "apply", "/nonexistent.toml"), None, "No such file"),
        (("policy", "show"), None, "no policies"),
    ],
)
def test_bad_input_is_refused_in_one_line_and_changes_nothing(
    world: World, arguments: tuple[str, ...], stdin: str | None, reason: str
) -> None:
    """Rule 8: a clear error, nothing lost."""
    world.make_user()
    with world.arranging():
        before = session().query(AuditEvent).count()
    assert reason in refusal(world, *arguments, stdin=stdin)
    with world.arranging():
        assert session().query(AuditEvent).count() == before


def test_a_user_s_risk_is_told_with_reasons_history_and_who_closed_it(world: World) -> None:
    """F024, F031: cause, actor, time."""
    world.make_user()
    answer(world, "user", "confirm-compromised", "ada", "--reason", "phished")
    told = answer(world, "user", "show", "ada")
    assert (told["risk_level"], told["risk_state"]) == ("high", "confirmed_compromised")
    assert "phished" in told["detections"][0]["reasons"][0]
    answer(world, "user", "dismiss", "ada", "--reason", "a drill")
    told = answer(world, "user", "show", "ada")
    assert told["risk_level"] == "none"
    assert told["detections"][0]["detail"] == "admin_dismissed"
    assert [row["change"] for row in told["history"]] == ["none -> high", "high -> none"]
    assert told["history"][1]["by"].startswith("cli")
    assert "a drill" in told["history"][1]["cause"]


def test_the_verbs_on_a_sign_in_let_the_user_s_level_follow(world: World) -> None:
    """F094: dismiss and confirm safe remove its share; confirm compromised makes the user high."""
    world.make_user()
    world.list_address()
    world.browser(TOR_ADDRESS).start().sign_in()
    sign_in = answer(world, "user", "show", "ada")["detections"][0]["sign_in"]
    assert answer(world, "user", "show", "ada")["risk_level"] == "low"
    safe = answer(world, "sign-in", "confirm-safe", sign_in, "--reason", "on holiday")
    assert (safe["risk_aggregated"], safe["risk_real_time"]) == ("none", "medium"), (
        "F028: only one of them moves"
    )
    assert answer(world, "user", "show", "ada")["risk_level"] == "none"
    world.browser(TOR_ADDRESS).start().sign_in()
    other = answer(world, "user", "show", "ada")["detections"][1]["sign_in"]
    done = answer(world, "sign-in", "confirm-compromised", other, "--reason", "phished")
    assert (done["risk_aggregated"], done["risk_state"]) == ("high", "confirmed_compromised")
    assert answer(world, "user", "show", "ada")["risk_level"] == "high"


def test_users_at_risk_are_listed(world: World) -> None:
    """F037: at once."""
    world.make_user("ada")
    world.make_user("bob")
    world.act(protection.report, "bob", "a test")
    assert [user["username"] for user in answer(world, "user", "list", "--at-risk")] == ["bob"]
    assert len(answer(world, "user", "list")) == 2


def test_revoking_sessions_disabling_and_enabling_act_at_the_next_request(world: World) -> None:
    """F098: sessions end; a disabled user is stopped after the right password; enabling opens again."""
    world.make_user()
    browser = world.browser().start().sign_in()
    assert answer(world, "user", "revoke-sessions", "ada", *WHY)["changed"] == {
        "sign_ins_not_ended": {"before": 1, "after": 0}
    }
    assert browser.start().step == "sign_in"
    browser.sign_in()
    answer(world, "user", "disable", "ada", *WHY)
    assert browser.start().step == "sign_in"
    assert browser.sign_in().step == "block"
    answer(world, "user", "enable", "ada", *WHY)
    assert world.browser().start().sign_in().is_signed_in


def test_a_client_s_secret_is_shown_once_and_can_be_replaced(world: World) -> None:
    """Secrets are stored as hashes."""
    made = answer(world, "client", "create", "Wiki", "--redirect-uri", "https://wiki.example.org/cb")
    assert len(made["client_secret"]) >= 32
    listed = answer(world, "client", "list")
    assert all("client_secret" not in client for client in listed)
    new = answer(world, "client", "rotate-secret", made["client_id"])
    assert new["client_secret"] != made["client_secret"] and new["previous_secret_expires_at"] is None
    overlapping = answer(world, "client", "rotate-secret", made["client_id"], "--overlap-hours", "24")
    assert overlapping["previous_secret_expires_at"] > clock.now().isoformat()
    public = answer(
        world, "client", "create", "App", "--public", "--redirect-uri", "https://app.example.org/cb"
    )
    assert "client_secret" not in public
    assert "no secret" in refusal(world, "client", "rotate-secret", public["client_id"])


def test_what_an_application_is_registered_with_is_set_changed_and_shown(world: World, tmp_path: Any) -> None:
    """Issue 5: each part by an option; what is not named stays as it is, and an empty text takes one away."""
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(public(KEY)))
    arguments = ["--redirect-uri", "https://ledger.example.org/cb", "--auth-method", "private_key_jwt"]
    arguments += ["--jwks", str(keys), "--auth-signing-alg", "ES256", "--require-signed", "--require-pushed"]
    arguments += [
        "--pairwise",
        "--dpop",
        "--id-token-alg",
        "ES256",
        "--access-token-audience",
        "https://api.example",
        *("--resource", "https://ledger.example", "--resource-identifier", "https://ledger.example/self"),
        *("--grant", "authorization_code", "--grant", TOKEN_EXCHANGE),
    ]
    made = answer(world, "client", "create", "Ledger", *arguments)
    assert "client_secret" not in made
    expected = {
        "auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "jwks": public(KEY),
        "subject_type": "pairwise",
        "id_token_signed_response_alg": "ES256",
        "require_signed_request_object": True,
        "require_pushed_authorization_requests": True,
        "dpop_bound_access_tokens": True,
        "access_token_audience": "https://api.example",
        "resources": ["https://ledger.example"],
        "resource_identifier": "https://ledger.example/self",
        "grants": ["authorization_code", TOKEN_EXCHANGE],
    }
    assert expected.items() <= answer(world, "client", "show", made["client_id"]).items()
    changes = ("--no-dpop", "--access-token-audience", "")
    changed = answer(world, "client", "change", made["client_id"], *changes)
    assert "dpop_bound_access_tokens" not in changed
    assert changed["access_token_audience"] is None
    assert (changed["subject_type"], changed["jwks"]) == ("pairwise", public(KEY))
    keys.write_text("{")
    assert "not JSON" in refusal(world, "client", "change", made["client_id"], "--jwks", str(keys))


def test_policies_are_applied_in_versions_or_refused_with_every_problem(world: World, tmp_path: Any) -> None:
    """C073: the policies in force stay when a file is not valid."""
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(SIGN_IN_RISK_POLICY)
    bad.write_text(
        '[[policy]]\nname = "a"\nstate = "sometimes"\nthen = { require = ["password_change"] }\nwhoo = 1\n'
    )
    assert answer(world, "policy", "apply", str(good))["version"] == 1
    told = refusal(world, "policy", "apply", str(bad))
    for reason in ("state", "whoo", "needs mfa", "user risk condition"):
        assert reason in told
    shown = answer(world, "policy", "show")
    assert (shown["version"], shown["policy"][0]["name"]) == (1, "sign-in-risk")
    answer(world, "policy", "apply", str(good))
    assert answer(world, "policy", "show", "--version", "1")["version"] == 1
    with world.arranging():
        assert session().query(PolicyVersion).count() == 2
    broken = tmp_path / "broken.toml"
    broken.write_text("[[policy]\n")
    assert "line 1" in refusal(world, "policy", "apply", str(broken))


def test_example_sign_ins_are_compared_with_what_is_expected(world: World, tmp_path: Any) -> None:
    """D22: of the policies in force, or of a draft."""
    world.apply(SIGN_IN_RISK_POLICY)
    examples = tmp_path / "examples.toml"
    examples.write_text(
        """
[[test]]
name = "risky"
facts = { sign_in_risk = "medium", registered = true }
expect = "notice_required"
[[test]]
name = "plain"
expect = "allowed"
"""
    )
    assert answer(world, "policy", "test", str(examples)) == {"passed": 2}
    draft = tmp_path / "draft.toml"
    draft.write_text(SIGN_IN_RISK_BLOCK)
    told = refusal(world, "policy", "test", str(examples), "--policies", str(draft))
    assert "risky: expected notice_required, got blocked" in told
    examples.write_text('[[test]]\nname = "x"\nfacts = { sign_in_risk = "enormous" }\nexpect = "allowed"\n')
    assert "not valid" in refusal(world, "policy", "test", str(examples))


def test_keys_rotate_with_overlap_or_at_once(world: World) -> None:
    """A 11.2.2: tokens that are out stay valid, unless it is an emergency."""
    first = answer(world, "init")["signing_key"]
    rotated = answer(world, "rotate-keys")
    assert rotated["signing_key"] != first
    assert set(rotated["published"]) == {first, rotated["signing_key"]}
    withdrawn = answer(world, "rotate-keys", "--emergency")
    assert withdrawn["published"] == [withdrawn["signing_key"]]


def test_check_explains_the_settings_without_secrets(world: World) -> None:
    """Section 7: what is set, and how the data files are doing."""
    told = answer(world, "check")
    assert "extension 4711" in told["settings"]["IDPROTECT_CONTACT"]
    assert "anonymous" in told["data"]
    plain = world.cli("check")
    assert "IDPROTECT_ISSUER" in plain.output


def test_every_change_is_in_the_audit_log_with_its_actor(world: World) -> None:
    """F103."""
    world.make_user()
    answer(world, "user", "temporary-password", "ada", *WHY)
    answer(world, "user", "confirm-safe", "ada", "--reason", "spoke to her")
    with world.arranging():
        rows = {row.name: row.actor for row in session().query(AuditEvent).all()}
    assert rows["password:temporary"].startswith("cli")
    assert rows["risk:confirmed_safe"].startswith("cli")


def test_purging_keeps_what_still_matters(world: World) -> None:
    """A 14.2.7: expired artifacts go, open risk stays."""
    world.make_user()
    world.list_address()
    for _ in range(2):
        world.browser(TOR_ADDRESS).start().sign_in()
    world.browser().start()
    assert sum(answer(world, "purge").values()) == 0
    world.clock.move(days=400)
    gone = answer(world, "purge")
    assert gone["pending_authorizations"] >= 1
    assert gone["codes"] == 2
    assert gone["tokens"] == 2
    assert gone["sign_ins"] == 0, "the sign-ins are still at risk: medium does not fade"
    assert gone["receipts"] >= 1


def test_low_risk_ages_out_and_medium_stays(world: World) -> None:
    """F032: 180 days; noted in the history."""
    world.make_user("ada")
    world.make_user("bob")
    world.apply(USER_RISK_POLICY.replace('"on"', '"report_only"'))
    world.list_address()
    world.browser(TOR_ADDRESS).start().sign_in("ada")
    for _ in range(2):
        world.browser(TOR_ADDRESS).start().sign_in("bob")
    levels = [world.read(lambda user: user.risk.label, name) for name in ("ada", "bob")]
    assert levels == ["low", "medium"]
    world.clock.move(days=183)
    assert answer(world, "age-out") == {"aged_out": 1}
    levels = [world.read(lambda user: (user.risk.label, user.risk_state), name) for name in ("ada", "bob")]
    assert levels == [("none", "aged_out"), ("medium", "at_risk")]


def test_everybody_can_be_signed_out_at_once(world: World) -> None:
    """After a restored backup: nothing revoked becomes valid."""
    world.make_user("ada")
    world.make_user("bob")
    browsers = [world.browser().start().sign_in(name) for name in ("ada", "bob")]
    assert answer(world, "revoke-all") == {"ended": 2}
    assert [browser.start().step for browser in browsers] == ["sign_in", "sign_in"]


def test_what_was_dealt_with_elsewhere_is_closed_by_command_as_by_the_console(world: World) -> None:
    """F095, C098: one verb, one record with before and after; a second time there is nothing left to do."""
    world.make_user()
    world.act(protection.confirm_compromised, "ada", "test")
    found = answer(world, "user", "resolve", "ada", "--reason", "The laptop was set up anew.")
    assert found["risk_level"] == "none"
    with world.app.app_context():
        event = session().query(AuditEvent).filter_by(name="console:acted").one()
        assert event.actor.startswith("cli:")
        assert event.details["reason"] == "The laptop was set up anew."
        assert (event.details["before"]["risk"], event.details["after"]["risk"]) == ("high", "none")
    assert "No risk is open." in refusal(world, "user", "resolve", "ada", "--reason", "again")
    assert "Missing option" in world.cli("user", "resolve", "ada").output


def test_a_draft_of_policies_is_kept_looked_at_and_put_into_force_by_command(
    world: World, tmp_path: Path
) -> None:
    """C073, D21: the console's shelf; what was saved by somebody else is not overwritten."""
    file = tmp_path / "draft.toml"
    file.write_text(USER_RISK_POLICY)
    assert answer(world, "policy", "draft", "save", "Spring", str(file))["revision"] == 1
    assert "of this name already" in refusal(world, "policy", "draft", "save", "Spring", str(file))
    file.write_text(SIGN_IN_RISK_POLICY)
    saved = answer(world, "policy", "draft", "save", "Spring", str(file), "--revision", "1")
    assert (saved["revision"], saved["saved_by"][:4]) == (2, "cli:")
    assert "meanwhile" in refusal(world, "policy", "draft", "save", "Spring", str(file), "--revision", "1")
    assert world.cli("policy", "draft", "export", "Spring").output == SIGN_IN_RISK_POLICY
    assert [row["name"] for row in answer(world, "policy", "draft", "list")] == ["Spring"]
    assert answer(world, "policy", "draft", "apply", "Spring")["policies"] == {"sign-in-risk": "on"}
    assert answer(world, "policy", "draft", "list") == []
    assert "no draft is called" in refusal(world, "policy", "draft", "apply", "Spring")
    file.write_text("half [")
    answer(world, "policy", "draft", "save", "Half", str(file))
    assert "This is no TOML" in refusal(world, "policy", "draft", "apply", "Half")
    assert answer(world, "policy", "draft", "discard", "Half", *WHY) == {"discarded": "Half"}
    assert world.cli("policy", "draft", "export", "Half").exit_code == 1


@pytest.mark.parametrize("act", triage.ACTS.values(), ids=lambda act: act.name)
def test_every_act_of_the_console_is_a_command_that_says_what_it_does(world: World, act: triage.Act) -> None:
    """C098, F091-F098: the words are the act's, and without a reason nothing is done."""
    group = act.about.replace("_", "-")
    name = NAMES.get(act.name, act.name.replace("_", "-"))
    told = " ".join(world.cli(group, name, "--help").output.split())
    for sentence in (*act.does, *act.does_not):
        assert sentence.split(". ")[0] in told
    refused = world.cli(group, name, "some-id")
    assert refused.exit_code == 2
    assert "Missing option '--reason'" in refused.output


def test_an_act_by_command_is_recorded_with_before_and_after_also_when_it_is_refused(world: World) -> None:
    """F103: one record, whichever way an act came."""
    world.make_user("root", roles=("administrator",))
    world.make_user()
    answer(world, "user", "disable", "ada", *WHY)
    assert "last administrator" in refusal(world, "user", "disable", "root", *WHY)
    assert "blocked already" in refusal(world, "user", "disable", "ada", *WHY)
    with world.app.app_context():
        acted = session().query(AuditEvent).filter_by(name="console:acted").one()
        refused = session().query(AuditEvent).filter_by(name="console:act_refused").all()
    assert acted.actor.startswith("cli:")
    assert (acted.details["act"], acted.details["reason"]) == ("block", "spoke to her")
    assert (acted.details["before"]["may_sign_in"], acted.details["after"]["may_sign_in"]) == (True, False)
    assert [event.actor for event in refused] == [acted.actor] * 2
    assert "last administrator" in refused[0].details["refused"]


def test_a_short_pass_is_given_by_command_after_the_whole_checklist(world: World) -> None:
    """D27, C098: each point is an option; with one missing nothing is given, and that is written down."""
    world.make_user(authenticators=("totp",))
    world.list_address()
    world.apply(SIGN_IN_RISK_BLOCK)
    assert world.browser(TOR_ADDRESS).start().sign_in().step == "block"
    sign_in = answer(world, "user", "show", "ada")["detections"][0]["sign_in"]
    checked = ("--called-back", "--told-reference")
    assert "checklist" in refusal(world, "sign-in", "short-pass", sign_in, *checked, *WHY)
    told = answer(world, "sign-in", "short-pass", sign_in, *checked, "--expected", *WHY)
    assert told["changed"]["pass"] == {"before": False, "after": True}


def test_a_session_is_ended_by_command(world: World) -> None:
    """C098: this one, and no other."""
    world.make_user()
    browser, other = world.browser().start().sign_in(), world.browser("198.51.100.99").start().sign_in()
    with world.arranging():
        first = session().query(SignIn).order_by(SignIn.signed_in_at).first()
    assert first is not None
    assert answer(world, "sign-in", "end", first.id, *WHY)["ended"] == "revoked"
    assert browser.start().step == "sign_in"
    assert other.start().is_signed_in


def test_second_factors_are_removed_by_command(world: World) -> None:
    """F085, C098: with a reason; the next sign-in registers anew."""
    world.make_user(authenticators=("totp",))
    answer(world, "user", "remove-factors", "ada", "--reason", "lost telephone")
    world.apply(REGISTRATION_POLICY)
    assert world.browser().start().sign_in().step == "mfa_registration"
    said = refusal(world, "user", "remove-factors", "ada", "--reason", "again")
    assert "No second factor is registered." in said


def test_a_setting_that_is_wrong_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first command of a new server is where one mistypes; nobody reads a traceback."""
    monkeypatch.setenv("IDPROTECT_ISSUER", "http://sign-in.example.org")
    monkeypatch.delenv("IDPROTECT_DEVELOPMENT", raising=False)
    command = [sys.executable, "-m", "flask", "--app", "idprotect", "idprotect", "check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: IDPROTECT_ISSUER must be https (http only with IDPROTECT_DEVELOPMENT)\n"
