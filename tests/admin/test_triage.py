"""The acts: what each dialogue says, does and does not do, who may, and what stands in the audit log after it."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from idprotect import protection, roles, triage, users
from idprotect.models import AuditEvent, Authenticator, RiskDetection, SignIn, User
from idprotect.roles import Role
from tests.admin.conftest import Enter
from tests.security.place import BOOKKEEPING, Place, Visitor
from tests.support.world import PASSWORD, SIGN_IN_RISK_POLICY, TOR_ADDRESS

REASON = "They called, and we called back."
#: What a request may write without having done anything: that it was made, and that it was refused.
WRITTEN_BY_LOOKING = BOOKKEEPING | {"idprotect_audit_event"}
TEMPORARY = re.compile(r"\b[A-Z2-9]{5}(?:-[A-Z2-9]{5}){3}\b")


def compromised(place: Place, username: str = "ada", **traits: Any) -> str:
    """Make a user at high risk who has a session; return the id."""
    user_id = place.make_user(username, **traits)
    place.signed_in(username)
    place.act(protection.confirm_compromised, username, "test", end_sessions=False)
    return user_id


def risky_sign_in(place: Place, username: str = "ada") -> str:
    """Let a user sign in from an anonymiser; return the id of the sign-in."""
    place.list_address()
    visitor = place.browser(TOR_ADDRESS).start().sign_in(username)
    assert visitor.step == "account", visitor.text
    newest = max(place.rows(SignIn), key=lambda row: row.signed_in_at)
    return str(newest.id)


def dialogue(act: str, *keys: str) -> str:
    """Return the address of a dialogue."""
    return f"/admin/acts/{act}?{urlencode({'id': keys}, doseq=True)}"


def do(visitor: Visitor, act: str, *keys: str, reason: str = REASON, **more: str) -> Visitor:
    """Go through a dialogue."""
    assert visitor.get(dialogue(act, *keys)).status == 200, visitor.text
    return visitor.submit({"reason": reason, **more}, action="/admin/acts/")


def user(place: Place, username: str = "ada") -> User:
    """Return a user as stored now."""
    (row,) = place.rows(User, User.username == username)
    return row  # type: ignore[no-any-return]


def alive(place: Place, user_id: str) -> int:
    """Return how many sign-ins of a user have not ended."""
    return len(place.rows(SignIn, SignIn.user_id == user_id, SignIn.succeeded, SignIn.ended_at.is_(None)))


def test_the_matrix_names_every_act(place: Place) -> None:
    """Section 10: the role table is the one that is asked, and the page shows it."""
    assert set(roles.ACTS) == set(triage.ACTS)


def test_the_page_of_roles_is_the_matrix(place: Place, enter: Enter) -> None:
    """DOC: the role matrix is published where people work."""
    visitor = enter("reader").get("/admin/acts/")
    assert visitor.page.text.count('class="yes"') == sum(map(len, roles.ACTS.values())) + sum(
        len(allowed) for name, allowed in roles.PAGES.items() if name != "overview.elsewhere"
    )


@pytest.mark.parametrize("role", list(Role))
def test_each_role_does_what_the_matrix_says_and_no_more(place: Place, enter: Enter, role: Role) -> None:
    """F102: reader cannot act; operator dismisses but cannot reset. By dialogue and by sending the form alike."""
    user_id = compromised(place)
    sign_in_id = place.rows(SignIn, SignIn.user_id == user_id)[0].id
    detection_id = place.rows(RiskDetection)[0].id
    keys = {"user": user_id, "sign_in": sign_in_id, "detection": detection_id}
    visitor = enter(role)
    before = place.snapshot(without=WRITTEN_BY_LOOKING)
    for act in triage.ACTS.values():
        path = dialogue(act.name, keys[act.about])
        shown = visitor.send("GET", path).response.status_code
        assert shown == (200 if role in roles.ACTS[act.name] else 403), act.name
        if role not in roles.ACTS[act.name]:
            sent = visitor.send("POST", path, {"reason": REASON}).response.status_code
            assert sent == 403, act.name
    after = place.snapshot(without=WRITTEN_BY_LOOKING)
    assert after == before


def test_every_dialogue_says_what_it_does_and_does_not_and_asks_why(place: Place, enter: Enter) -> None:
    """F091 and its neighbours: without a reason nothing is done."""
    user_id = compromised(place)
    keys = {
        "user": user_id,
        "sign_in": place.rows(SignIn, SignIn.user_id == user_id)[0].id,
        "detection": place.rows(RiskDetection)[0].id,
    }
    visitor = enter()
    for act in triage.ACTS.values():
        visitor.get(dialogue(act.name, keys[act.about]))
        for line in (*act.does, *act.does_not):
            assert line.replace("'", "&#39;") in visitor.page.text, act.name
        if "Nothing can be done" in visitor.text:
            continue
        assert visitor.submit({"reason": "   "}, action="/admin/acts/").status == 400, act.name
        assert "Please say why." in visitor.text
    assert not place.rows(AuditEvent, AuditEvent.name == "console:acted")


def test_confirming_a_user_compromised_ends_sessions_unless_unticked(place: Place, enter: Enter) -> None:
    """F092: High + detection; option (default on) revokes sessions."""
    for username in ("ada", "bob"):
        place.make_user(username)
        place.signed_in(username)
    visitor = enter()
    do(visitor, "confirm_compromised", user(place).id, option="end_sessions")
    do(visitor, "confirm_compromised", user(place, "bob").id)
    for username in ("ada", "bob"):
        assert (user(place, username).risk.label, user(place, username).risk_state) == (
            "high",
            "confirmed_compromised",
        )
    assert alive(place, user(place).id) == 0
    assert alive(place, user(place, "bob").id) == 1
    visitor.get(dialogue("confirm_compromised", user(place).id))
    assert re.search(r'value="end_sessions" checked', visitor.page.text)


def test_dismissing_leaves_password_and_sessions_and_can_be_undone(place: Place, enter: Enter) -> None:
    """F091: user none/dismissed; password and sessions unchanged and UI says so. Undo within the window."""
    user_id = compromised(place)
    password = user(place).password_hash
    visitor = enter()
    visitor.get(dialogue("dismiss", user_id))
    assert "The password stays as it is." in visitor.text
    assert "Sessions and tokens go on." in visitor.text
    do(visitor, "dismiss", user_id)
    row = user(place)
    assert (row.risk.label, row.risk_state, row.password_hash) == ("none", "dismissed", password)
    assert alive(place, user_id) == 1
    do(visitor, "undo_dismissal", user_id)
    assert user(place).risk.label == "high"
    do(visitor, "dismiss", user_id)
    place.clock.move(days=2)
    visitor = enter()
    assert "Nothing can be done" in visitor.get(dialogue("undo_dismissal", user_id)).text


def test_confirming_safe_and_resolving_close_what_is_open(place: Place, enter: Enter) -> None:
    """F093, F095: none/confirmed safe; dealt with outside, in one go, without a detour."""
    visitor = enter()
    for username, act, state in (("ada", "confirm_safe", "confirmed_safe"), ("bob", "resolve", "remediated")):
        user_id = compromised(place, username)
        do(visitor, act, user_id)
        row = user(place, username)
        assert (row.risk.label, row.risk_state) == ("none", state)
        assert alive(place, user_id) == 1


def test_a_temporary_password_is_shown_once_and_opens_only_the_change(place: Place, enter: Enter) -> None:
    """F096: old password and sessions dead at once; shown once; change forced. It stands nowhere else."""
    user_id = compromised(place)
    visitor = do(enter("help_desk"), "temporary_password", user_id)
    found = TEMPORARY.search(visitor.page.text)
    assert found is not None
    assert visitor.page.headers["Cache-Control"] == "no-store"
    assert alive(place, user_id) == 0
    assert not any(found.group() in text for _, text in place.values())
    place.clock.move(minutes=1)
    assert place.browser().start().sign_in().step == "sign_in"
    assert place.browser().start().sign_in(password=found.group()).step == "password_change"


def test_a_new_password_is_required_only_of_whoever_has_a_factor(place: Place, enter: Enter) -> None:
    """F097: disabled with reason if no factor registered; else factor, current password, new one."""
    place.make_user("ada", authenticators=("totp",))
    place.make_user("bob")
    visitor = enter()
    visitor.get(dialogue("require_reset", user(place, "bob").id))
    assert "There is no second factor" in visitor.text
    assert "Nothing can be done" in visitor.text
    do(visitor, "require_reset", user(place).id)
    ada = place.browser().start().sign_in()
    assert ada.step == "mfa"
    ada.submit({"code": place.totp()})
    assert ada.step == "password_change"
    new = "eleven loud gulls under tin"
    assert ada.submit({"current": "something else entirely", "new": new, "confirm": new}).status == 400
    ada.submit({"current": PASSWORD, "new": new, "confirm": new})
    assert ada.step == "account"
    assert place.browser().start().sign_in(password=new).step == "account"


def test_blocking_ends_everything_and_unblocking_gives_nothing_back(place: Place, enter: Enter) -> None:
    """F098: effects at the next request."""
    place.make_user()
    ada = place.signed_in()
    visitor = enter()
    do(visitor, "block", user(place).id)
    assert not ada.is_signed_in
    assert place.browser().start().sign_in().step in ("block", "sign_in")
    do(visitor, "unblock", user(place).id)
    assert not ada.is_signed_in
    assert place.browser().start().sign_in().step == "account"


def test_ending_all_sessions_leaves_the_rest(place: Place, enter: Enter) -> None:
    """F098: revoke sessions."""
    place.make_user()
    ada = place.signed_in()
    do(enter("help_desk"), "revoke_sessions", user(place).id)
    assert not ada.is_signed_in
    assert user(place).enabled


def test_a_lock_down_is_everything_at_once(place: Place, enter: Enter) -> None:
    """C082: lock down, one click for the worst moment, without asking the operator for a factor again."""
    place.make_user()
    ada = place.signed_in()
    visitor = enter("operator")
    place.clock.move(minutes=10)
    do(visitor, "lock_down", user(place).id)
    row = user(place)
    assert (row.enabled, row.risk.label) == (False, "high")
    assert alive(place, row.id) == 0
    assert not ada.is_signed_in


def test_factors_are_removed_with_their_codes(place: Place, enter: Enter) -> None:
    """F085: factors cleared, next clean sign-in enrols."""
    place.apply('[[policy]]\nname = "r"\nstate = "on"\nthen = { require = ["registration"] }')
    place.make_user("ada", authenticators=("totp", "sms"))
    do(enter(), "reset_factors", user(place).id)
    assert not place.rows(Authenticator, Authenticator.user_id == user(place).id)
    assert place.browser().start().sign_in().step == "mfa_registration"


def test_the_verbs_of_a_sign_in_let_the_users_level_follow(place: Place, enter: Enter) -> None:
    """F094."""
    place.make_user()
    visitor = enter()
    sign_in_id = risky_sign_in(place)
    assert user(place).risk.label != "none"
    do(visitor, "sign_in_safe", sign_in_id)
    assert user(place).risk.label == "none"
    sign_in_id = risky_sign_in(place)
    do(visitor, "dismiss_sign_in", sign_in_id)
    assert user(place).risk.label == "none"
    do(visitor, "sign_in_compromised", sign_in_id, option="end_sessions")
    assert user(place).risk.label == "high"
    assert alive(place, user(place).id) == 0


def test_one_session_is_ended_and_the_others_go_on(place: Place, enter: Enter) -> None:
    place.make_user()
    one, other = place.signed_in(), place.signed_in()
    newest = max(place.rows(SignIn, SignIn.user_id == user(place).id), key=lambda row: row.signed_in_at)
    do(enter("help_desk"), "end_session", newest.id)
    assert one.is_signed_in
    assert not other.is_signed_in


@pytest.mark.parametrize(
    ("act", "state"),
    [("resolve_detection", "remediated"), ("false_positive", "confirmed_safe"), ("ignore", "dismissed")],
)
def test_single_detections_are_closed_and_count_again(
    place: Place, enter: Enter, act: str, state: str
) -> None:
    """2.2: closed with that verb; those closed by an administrator can be reactivated."""
    user_id = compromised(place)
    (row,) = place.rows(RiskDetection, RiskDetection.user_id == user_id)
    visitor = enter()
    do(visitor, act, row.id)
    assert place.rows(RiskDetection, RiskDetection.id == row.id)[0].state == state
    assert user(place).risk.label == "none"
    assert "It is closed already" in visitor.get(dialogue(act, row.id)).text
    do(visitor, "reactivate", row.id)
    assert user(place).risk.label == "high"


def test_the_detection_of_a_deleted_user_can_be_closed(place: Place, enter: Enter) -> None:
    """F104: deleted user's risk can be closed."""
    compromised(place)
    (row,) = place.rows(RiskDetection)
    place.act(users.delete, "ada", "test", "left")
    visitor = do(enter(), "resolve_detection", row.id)
    assert "Done." in visitor.text
    assert place.rows(RiskDetection)[0].state == "remediated"


def test_what_gives_access_asks_for_a_fresh_factor_and_containment_does_not(
    place: Place, enter: Enter
) -> None:
    """Section 10: fresh reauthentication for sensitive actions; also when the form is sent later."""
    user_id = compromised(place)
    visitor = enter()
    visitor.get(dialogue("dismiss", user_id))
    path, data = visitor.form("reason")
    place.clock.move(minutes=6)
    late = visitor.copy()
    late.headers = dict(visitor.headers)
    assert late.go("POST", path, {**data, "reason": REASON}).step == "sign_in"
    assert user(place).risk.label == "high"
    for act in triage.ACTS.values():
        if act.about == "user":
            visitor.get(dialogue(act.name, user_id))
            assert (visitor.step == "sign_in") == act.gives_access, act.name
    visitor.get(dialogue("dismiss", user_id)).sign_in("the-administrator")
    visitor.submit({"code": place.totp("the-administrator")})
    assert visitor.path == dialogue("dismiss", user_id)
    assert visitor.submit({"reason": REASON}).status == 200
    assert user(place).risk.label == "none"


def test_nobody_decides_about_their_own_risk(place: Place, enter: Enter) -> None:
    """F102: nobody approves own risk, for every act, also among others in bulk."""
    visitor = enter()
    other = compromised(place)
    place.act(protection.confirm_compromised, "the-administrator", "test", end_sessions=False)
    mine = user(place, "the-administrator").id
    for act in triage.ACTS.values():
        if act.about == "user":
            assert "nobody decides about themselves" in visitor.get(dialogue(act.name, mine)).text, act.name
    done = do(visitor, "dismiss", other, mine)
    assert "1 of 2 done" in done.text
    assert user(place, "the-administrator").risk.label == "high"
    assert user(place).risk.label == "none"


def test_only_administrators_act_on_people_with_a_role(place: Place, enter: Enter) -> None:
    """Whoever could reset an administrator's password would be one."""
    enter("administrator")
    boss = user(place, "the-administrator")
    for role, act in (("help_desk", "temporary_password"), ("operator", "block"), ("operator", "lock_down")):
        visitor = enter(role).get(dialogue(act, boss.id))
        assert "Only an administrator does this" in visitor.text
        assert "Nothing can be done" in visitor.text
        forged = visitor.send("POST", dialogue(act, boss.id), {"reason": REASON}).response
        assert forged.status_code == 400
    assert user(place, "the-administrator").enabled
    place.make_user("una", roles=("administrator",))
    assert "Done." in do(enter("administrator"), "block", user(place, "una").id).text


def test_fifty_people_at_once_each_with_a_result(place: Place, enter: Enter) -> None:
    """F099: 50 users: per-user outcome; what cannot be done to one is done to the others."""
    keys = [place.make_user(f"person{number:02}") for number in range(50)]
    for number in range(0, 50, 2):
        place.act(protection.confirm_compromised, f"person{number:02}", "test")
    visitor = enter().get("/admin/users/?q=person")
    path, data = visitor.form(action="/admin/acts/")
    query = urlencode({"id": keys, "act": "dismiss"}, doseq=True)
    visitor.get(f"{path}?{query}")
    visitor.submit({"reason": REASON}, action="/admin/acts/")
    assert "25 of 50 done" in visitor.text
    assert visitor.text.count("No risk is open.") == 25
    assert {row.risk.label for row in place.rows(User)} == {"none"}
    acted = place.rows(AuditEvent, AuditEvent.name == "console:acted")
    refused = place.rows(AuditEvent, AuditEvent.name == "console:act_refused")
    assert (len(acted), len(refused)) == (25, 25)


def test_the_audit_log_has_actor_reason_before_and_after(place: Place, enter: Enter) -> None:
    """F103, section 10: reason, actor, before/after; success and refusal."""
    user_id = compromised(place)
    visitor = enter()
    do(visitor, "dismiss", user_id, option="end_sessions")
    (event,) = place.rows(AuditEvent, AuditEvent.name == "console:acted")
    assert (event.actor, event.user_id) == ("the-administrator", user_id)
    details = event.details
    assert (details["act"], details["reason"], details["options"]) == ("dismiss", REASON, ["end_sessions"])
    assert (details["before"]["risk"], details["after"]["risk"]) == ("high", "none")
    assert (details["before"]["sign_ins_not_ended"], details["after"]["sign_ins_not_ended"]) == (1, 0)
    page = visitor.get(f"/admin/audit/{event.id}")
    assert REASON in page.text
    assert "Before and after" in page.text


FORGERIES: dict[str, Callable[[dict[str, str]], tuple[dict[str, str], dict[str, str]]]] = {
    "without a token": lambda data: ({k: v for k, v in data.items() if k != "csrf_token"}, {}),
    "with a token of nothing": lambda data: ({**data, "csrf_token": "x"}, {}),
    "from another site": lambda data: (data, {"Origin": "https://evil.example"}),
    "from another site, says the browser": lambda data: (data, {"Sec-Fetch-Site": "cross-site"}),
}


@pytest.mark.parametrize("act", [act.name for act in triage.ACTS.values() if act.about == "user"])
def test_a_forged_form_does_nothing(place: Place, enter: Enter, act: str) -> None:
    """Section 10, CSRF on all admin forms and actions."""
    user_id = compromised(place, authenticators=("totp",)) if act == "require_reset" else compromised(place)
    visitor = enter()
    visitor.get(dialogue("dismiss", user_id))
    _, data = visitor.form("reason")
    visitor.get(dialogue(act, user_id))
    if "Nothing can be done" not in visitor.text:
        _, data = visitor.form("reason")
    for name, forge in FORGERIES.items():
        sent, headers = forge({**data, "reason": REASON})
        answer = visitor.send("POST", dialogue(act, user_id), sent, headers=headers).response
        assert answer.status_code in (400, 403), name
    assert not place.rows(AuditEvent, AuditEvent.name.in_(["console:acted", "console:act_refused"]))


def test_a_form_is_good_for_its_act_and_its_targets_only(place: Place, enter: Enter) -> None:
    """I4: bound to one purpose: the token of one dialogue does not do another thing, nor to somebody else."""
    ada, bob = compromised(place), compromised(place, "bob")
    visitor = enter()
    visitor.get(dialogue("revoke_sessions", ada))
    _, data = visitor.form("reason")
    for path in (
        dialogue("block", ada),
        dialogue("revoke_sessions", bob),
        dialogue("revoke_sessions", ada, bob),
    ):
        assert visitor.send("POST", path, {**data, "reason": REASON}).response.status_code == 400, path
    assert alive(place, ada) == alive(place, bob) == 1
    assert visitor.send("GET", dialogue("revoke_sessions", ada) + "&" + urlencode({**data, "reason": REASON}))
    assert alive(place, ada) == 1


@pytest.mark.parametrize("query", ["", "id=", "id=nobody", "id=%00", "&".join(f"id={n}" for n in range(101))])
def test_odd_targets_are_refused_kindly(place: Place, enter: Enter, query: str) -> None:
    assert enter().get(f"/admin/acts/block?{query}").status == 400


def test_an_act_from_a_list_leads_to_its_dialogue(place: Place, enter: Enter) -> None:
    """The choice of rows is a form without scripts."""
    place.apply(SIGN_IN_RISK_POLICY)
    user_id = compromised(place)
    visitor = enter().get("/admin/risky-users/")
    assert f'value="{user_id}"' in visitor.page.text
    assert 'value="dismiss"' in visitor.page.text
    answer = visitor.send("GET", f"/admin/acts/?act=dismiss&id={user_id}").response
    assert answer.headers["Location"] == dialogue("dismiss", user_id)
    strange = visitor.send("GET", "/admin/acts/?act=%2F%2Fevil.example&id=x").response
    assert strange.headers["Location"].startswith("/admin/acts/")
