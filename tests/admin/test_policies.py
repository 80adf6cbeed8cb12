"""The policy pages: sentences, versions with diff and rollback, an editor that explains, what-if."""

import re
import tomllib

import pytest

from idprotect import policies, trials
from idprotect.admin import sentences
from idprotect.conditional_access import PolicyState, parse_policies
from idprotect.models import AuditEvent, PolicyVersion
from tests.admin.conftest import Enter
from tests.security.place import Place
from tests.support.filled import FilledForm
from tests.support.world import MFA_POLICY, SIGN_IN_RISK_POLICY, USER_RISK_BLOCK, USER_RISK_POLICY

REASON = "Agreed on Monday."


def in_force(place: Place) -> dict[str, str]:
    """Return the policies in force with their states."""
    with place.app.app_context():
        return {policy.name: str(policy.state) for policy in policies.current().policies}


def test_policies_read_as_sentences(place: Place, enter: Enter) -> None:
    """Issue 4: when who, where, how risky, then what."""
    place.apply(USER_RISK_POLICY, SIGN_IN_RISK_POLICY)
    visitor = enter("reader").get("/admin/policies/")
    assert (
        "When anybody, whose risk is medium or high then ask for a second factor and ask for a new password."
        in visitor.text
    )
    assert "Turn off" not in visitor.text
    assert "Edit" not in visitor.text


def test_every_part_of_a_policy_is_in_its_sentence() -> None:
    text = """
[[policy]]
name = "x"
state = "on"
who = { groups = ["staff"], roles = ["administrator"], exclude_users = ["ada"] }
clients = { include = ["notes"] }
when = { sign_in_risk = ["high"], countries = ["CH"], platforms = ["ios"], scopes = ["payments"], known_device = false, locations = ["office"], expression = "not registered" }
then = { require = ["block"] }
[[location]]
name = "office"
networks = ["192.0.2.0/24"]
"""
    (policy,) = parse_policies(tomllib.loads(text)).policies
    said = sentences.when(policy)
    for part in (
        "the group staff or the role administrator but ada",
        "signs in to notes",
        "in a sign-in whose risk is high",
        "from the country CH",
        "from office",
        "on ios (unverified)",
        "asking for payments",
        "with a new device",
        "provided that not registered",
    ):
        assert part in said
    assert sentences.then(policy) == "stop the sign-in"
    then = 'then = { require = ["mfa"], strength = "phishing_resistant", sign_in_frequency = "8h" }'
    (policy,) = parse_policies(tomllib.loads(f'[[policy]]\nname = "x"\n{then}')).policies
    said = (
        "ask for a second factor of the strength phishing resistant and have them sign in again after 8 hours"
    )
    assert sentences.then(policy) == said
    then = 'then = { require = ["registration"], skip_days = 14 }'
    (policy,) = parse_policies(tomllib.loads(f'[[policy]]\nname = "x"\n{then}')).policies
    assert sentences.then(policy) == "have a second factor registered, which can be put off for 14 days"


def test_the_editor_takes_the_file_and_gives_it_back(place: Place, enter: Enter) -> None:
    """F063: the text of the editor, the file and what is in force are the same."""
    place.apply(USER_RISK_POLICY)
    visitor = enter("policy_editor").get("/admin/policies/edit")
    draft = USER_RISK_POLICY.replace('"on"', '"report_only"') + SIGN_IN_RISK_POLICY
    visitor.submit({"draft": draft, "reason": REASON})
    assert visitor.path == "/admin/policies/"
    assert in_force(place) == {"user-risk": "report_only", "sign-in-risk": "on"}
    answer = visitor.send("GET", "/admin/policies/policies.toml").response
    with place.app.app_context():
        assert tomllib.loads(answer.text) == policies.document()
    (event,) = place.rows(
        AuditEvent, AuditEvent.name == "policy:applied", AuditEvent.actor == "the-policy-editor"
    )
    assert event.details["version"] == 2


@pytest.mark.parametrize(
    ("draft", "word"),
    [
        ("this is no toml", "no TOML"),
        ('[[policy]]\nname = "x"\nstate = "maybe"\nthen = { require = ["mfa"] }', "must be one of"),
        (USER_RISK_POLICY.replace('"mfa", ', ""), "password"),
        ('[[policy]]\nname = "x"\nstate = "on"\nthen = { require = ["block"] }', "block everyone"),
    ],
)
def test_a_bad_draft_is_refused_with_the_rule_and_kept(
    place: Place, enter: Enter, draft: str, word: str
) -> None:
    """F047, F064: saying which rule; what was typed is not lost; nothing is put into force."""
    visitor = enter().get("/admin/policies/edit")
    visitor.submit({"draft": draft, "reason": REASON})
    assert visitor.status == 400
    assert word in visitor.text
    assert draft.splitlines()[0].replace('"', "&#34;") in visitor.page.text
    assert not place.rows(PolicyVersion)


CLOSED = """
[[policy]]
name = "closed"
state = "report_only"
who = { exclude_roles = ["administrator"] }
then = { require = ["block"] }
"""


@pytest.mark.parametrize("page", ["edit", "state/closed/on", "versions/1"])
def test_the_words_are_asked_for_where_everybody_would_be_stopped_and_only_there(
    place: Place, enter: Enter, page: str
) -> None:
    """F064: not before it is tried, nothing typed is lost, and with the words it is done."""
    on = CLOSED.replace("report_only", "on")
    place.make_user("boss", roles=("administrator",))
    with place.arranging():
        policies.apply(tomllib.loads(on), "test", confirmation="block everyone")
    place.apply(CLOSED)
    visitor = enter().get(f"/admin/policies/{page}")
    assert "block everyone" not in visitor.text
    form = FilledForm(visitor.page.text, "reason")
    typed = form.values | {"reason": REASON} | ({"draft": on} if page == "edit" else {})
    visitor.go("POST", form.action, typed)
    assert visitor.status == 400
    assert "type “block everyone”" in visitor.text
    form = FilledForm(visitor.page.text, "reason")
    assert form.values["reason"] == REASON
    visitor.go("POST", form.action, form.values | {"confirmation": "block everyone"})
    assert in_force(place) == {"closed": "on"}


def test_a_draft_is_checked_without_being_put_into_force(place: Place, enter: Enter) -> None:
    """F051: the change, and who would notice now, before it is real."""
    place.make_user("ada")
    place.apply(USER_RISK_POLICY)
    visitor = enter("policy_editor").get("/admin/policies/edit")
    path, data = visitor.form("draft")
    visitor.go("POST", path, {**data, "draft": USER_RISK_POLICY + MFA_POLICY, "reason": REASON, "check": "1"})
    assert "This could be put into force" in visitor.text
    assert "policy always-mfa added" in visitor.text
    assert "2 of 2 people would notice" in visitor.text
    assert in_force(place) == {"user-risk": "on"}


def test_a_draft_is_replayed_over_the_log_with_links_to_what_changes(place: Place, enter: Enter) -> None:
    """Issue 4, replay: which sign-ins change, for whom, prompts per user and week, links to the receipts."""
    place.make_user("ada", authenticators=("totp",))
    place.apply(USER_RISK_POLICY)
    place.signed_in("ada")
    visitor = enter("policy_editor").get("/admin/policies/edit")
    path, data = visitor.form("draft")
    visitor.go("POST", path, {**data, "draft": MFA_POLICY, "reason": REASON, "replay": "1"})
    assert "sign-ins of the last 7 days, 1 would have gone otherwise" in visitor.text
    assert "allowed → mfa required" in visitor.text
    link = next(link for link in visitor.links() if link.startswith("/admin/sign-ins/") and "#" in link)
    visitor.get(link.partition("#")[0])
    assert f'id="{link.partition("#")[2]}"' in visitor.page.text
    assert in_force(place) == {"user-risk": "on"}


def test_policies_on_trial_are_reported_in_four_outcomes(place: Place, enter: Enter) -> None:
    """F050: success, failure, action required, not applied, counted by sign-in."""
    place.make_user("ada")
    place.apply(MFA_POLICY.replace('"on"', '"report_only"'))
    place.signed_in("ada")
    visitor = enter("reader").get("/admin/policies/report?within=24h")
    for effect in ("not applied", "success", "action required", "failure"):
        assert f'data-label="{effect}"' in visitor.page.text
    counts = [int(number) for number in re.findall(r'data-label="[a-z ]+">(\d+)<', visitor.page.text)]
    assert sum(counts) >= 2
    for within, shown in (("24h", "24h"), ("nonsense", "7d")):
        page = visitor.get(f"/admin/policies/report?within={within}").page.text
        assert f'within={shown}" aria-current="true"' in page, "the time that is shown"
        assert '/admin/policies/" aria-current="page"' in page, "where the menu says that one is"


def test_a_log_that_is_too_long_is_left_to_the_command_line(
    place: Place, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is not waited for without end."""
    place.apply(MFA_POLICY.replace('"on"', '"report_only"'))
    visitor = enter("policy_editor")
    monkeypatch.setattr(trials, "MOST_DECISIONS", 0)
    assert "policy report" in visitor.get("/admin/policies/report").text
    visitor.get("/admin/policies/edit")
    path, data = visitor.form("draft")
    visitor.go("POST", path, {**data, "draft": MFA_POLICY, "reason": REASON, "replay": "1"})
    assert "policy replay" in visitor.text


def test_a_version_shows_what_it_changed_and_can_be_put_into_force_again(place: Place, enter: Enter) -> None:
    """Issue 4: history with diff and rollback."""
    place.apply(USER_RISK_POLICY)
    place.apply(USER_RISK_BLOCK)
    visitor = enter("policy_editor").get("/admin/policies/versions")
    assert re.findall(r'href="/admin/policies/versions/(\d)"', visitor.page.text) == ["2", "1"]
    visitor.get("/admin/policies/versions/2")
    assert "policy user-risk changed" in visitor.text
    assert '<span class="added">+' in visitor.page.text
    assert "Put this version into force again" not in visitor.text
    visitor.get("/admin/policies/versions/1").submit({"reason": REASON})
    assert visitor.path == "/admin/policies/"
    newest = place.rows(PolicyVersion)[-1]
    assert newest.version == 3
    assert REASON in newest.note
    assert newest.document == place.rows(PolicyVersion)[0].document
    for missing in ("/admin/policies/versions/99", "/admin/policies/versions/99999999999999999999"):
        assert visitor.get(missing).status == 404


def test_a_policy_is_turned_on_after_saying_who_would_notice(place: Place, enter: Enter) -> None:
    """F065: turning on shows who is hit now."""
    place.make_user("ada")
    place.apply(MFA_POLICY.replace('"on"', '"report_only"'))
    visitor = enter("policy_editor").get("/admin/policies/state/always-mfa/on")
    assert "2 of 2 people would notice" in visitor.text
    assert "1 without a second factor" in visitor.text
    visitor.submit({"reason": REASON})
    assert in_force(place) == {"always-mfa": str(PolicyState.ON)}
    for missing in ("always-mfa/maybe", "nothing/on"):
        assert visitor.get(f"/admin/policies/state/{missing}").status == 404


def test_a_template_starts_on_trial_without_its_author(place: Place, enter: Enter) -> None:
    """F062."""
    visitor = enter("policy_editor").get("/admin/policies/template/user-risk").submit({"reason": REASON})
    assert visitor.path == "/admin/policies/"
    assert in_force(place) == {"user-risk": "report_only"}
    assert "anybody but the-policy-editor" in visitor.text


def test_the_emergency_switch_has_a_page(place: Place, enter: Enter) -> None:
    """product.md 3: one audited switch; with a reason, and back."""
    place.apply(MFA_POLICY)
    visitor = enter()
    visitor.get("/admin/policies/emergency").submit({"reason": "Nobody gets in."})
    assert "every policy only reports" in visitor.text
    visitor.get("/admin/policies/emergency").submit({"reason": "Mended."})
    assert "every policy only reports" not in visitor.text
    assert len(place.rows(AuditEvent, AuditEvent.name == "policy:emergency")) == 2


def test_what_if_lists_every_unmet_condition(place: Place, enter: Enter) -> None:
    """F052: applying controls and every unmet condition."""
    place.make_user("ada", authenticators=("totp",))
    place.apply(USER_RISK_POLICY, SIGN_IN_RISK_POLICY)
    visitor = enter("reader").get("/admin/policies/what-if?user=ada&sign_in_risk=high&user_risk=&country=CH")
    assert "Notice required" in visitor.text
    assert "In this order: notice, mfa." in visitor.text
    assert "user risk:" in visitor.text
    assert (
        "is not an address" in visitor.get("/admin/policies/what-if?ip_address=nonsense").text
        or visitor.status == 200
    )
    for odd in ("sign_in_risk=terrible", "ip_address=%00", "known_device=maybe", "user=" + "x" * 500):
        assert visitor.get(f"/admin/policies/what-if?{odd}").status in (200, 400)


def test_only_a_fresh_factor_changes_policies_and_nothing_typed_is_lost(place: Place, enter: Enter) -> None:
    """Section 10: fresh reauthentication for sensitive actions."""
    place.apply(USER_RISK_POLICY)
    visitor = enter("policy_editor").get("/admin/policies/edit")
    place.clock.move(minutes=6)
    visitor.submit({"draft": MFA_POLICY, "reason": REASON})
    assert visitor.status == 400
    assert "Please confirm that it is you" in visitor.text
    assert "always-mfa" in visitor.page.text
    assert in_force(place) == {"user-risk": "on"}
    assert visitor.get("/admin/policies/emergency").step == "sign_in"


def test_who_may_only_read_changes_nothing(place: Place, enter: Enter) -> None:
    """F102: the pages that change are refused, and so is a form that somebody made up."""
    place.apply(USER_RISK_POLICY)
    place.apply(USER_RISK_BLOCK)
    visitor = enter("operator")
    assert visitor.get("/admin/policies/versions/1").status == 200
    assert "Put this version" not in visitor.text
    for path in ("versions/1", "edit", "emergency", "state/user-risk/off", "template/sign-in-risk"):
        assert visitor.send("POST", f"/admin/policies/{path}", {"reason": REASON}).response.status_code == 403
    editor = enter("policy_editor")
    for path in ("versions/1", "edit", "emergency", "state/user-risk/off", "template/sign-in-risk"):
        forged = editor.send("POST", f"/admin/policies/{path}", {"reason": REASON, "draft": ""}).response
        assert forged.status_code == 400, path
    assert len(place.rows(PolicyVersion)) == 2
