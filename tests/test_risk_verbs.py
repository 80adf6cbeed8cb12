"""What administrators do about risk, by command: close, reactivate, undo, confirm, recover, delete."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from idprotect import clock, protection
from idprotect.errors import InteractionError
from idprotect.models import (
    AuditEvent,
    Authenticator,
    Consent,
    Device,
    RiskDetection,
    SignIn,
    Token,
    User,
    session,
)
from idprotect.risk import About, Finding, RiskEvent, RiskLevel
from tests.support.world import (
    MFA_POLICY,
    SIGN_IN_RISK_BLOCK,
    TOR_ADDRESS,
    USER_RISK_POLICY,
    World,
)
from tests.test_cli import WHY, answer, refusal


def shown(world: World, user: str = "ada") -> Any:
    return answer(world, "user", "show", user)


def find(world: World, name: str, level: RiskLevel = RiskLevel.MEDIUM, about: About = About.USER) -> str:
    """Let something be found about Ada; return its id."""
    finding = Finding(name, level, about, (f"{name} was found",))
    with world.arranging():
        return protection.raise_detection(world.user(), finding).id


@pytest.mark.parametrize(
    ("verb", "state", "detail"),
    [
        ("resolve", "remediated", "admin_resolved"),
        ("false-positive", "confirmed_safe", "admin_false_positive"),
        ("ignore", "dismissed", "admin_ignored"),
    ],
)
def test_a_single_detection_is_closed_with_its_own_detail_and_lowers_the_user(
    world: World, verb: str, state: str, detail: str
) -> None:
    """F034, F030: the other one stays, closing the last makes none (F029); F035: each can be reactivated."""
    world.make_user()
    high, medium = find(world, "leaked_credentials", RiskLevel.HIGH), find(world, "suspicious_thing")
    closed = answer(world, "detection", verb, high, *WHY)
    assert (closed["state"], closed["detail"], closed["can"]) == (state, detail, ["reactivate"])
    assert closed["closed_by"].startswith("cli")
    assert (shown(world)["risk_level"], shown(world)["risk_state"]) == ("medium", "at_risk")
    answer(world, "detection", verb, medium, *WHY)
    told = shown(world)
    assert (told["risk_level"], told["risk_state"], told["risk_detail"]) == ("none", state, detail)
    assert "closed already" in refusal(world, "detection", verb, high, *WHY)
    answer(world, "detection", "reactivate", medium, *WHY)
    told = shown(world)
    assert (told["risk_level"], told["risk_state"]) == ("medium", "at_risk")
    assert told["detections"][1]["can"] == ["resolve", "false-positive", "ignore"]
    changes = ["none -> high", "high -> medium", "medium -> none", "none -> medium"]
    assert [line["change"] for line in told["history"]] == changes
    assert "spoke to her" in told["history"][-1]["cause"]


@pytest.mark.postgres
@pytest.mark.parametrize("first", ["close", "cure"])
def test_what_somebody_else_did_meanwhile_is_seen(make_world: Any, postgres_url: str, first: str) -> None:
    """F035: of two administrators one closes; what the user cured in the meantime is not reactivated."""
    world = make_world(IDPROTECT_DATABASE_URL=postgres_url, relying_party=False)
    world.make_user()
    row_id = find(world, "suspicious_thing")
    if first == "cure":
        answer(world, "detection", "ignore", row_id, *WHY)

    def meanwhile(*command: str) -> None:
        with world.app.app_context():  # of another process
            answer(world, *command)

    with world.app.app_context():
        seen = session().get_one(RiskDetection, row_id)
        if first == "cure":
            meanwhile("detection", "reactivate", row_id, *WHY)
            meanwhile("user", "temporary-password", "ada", *WHY)
            with pytest.raises(InteractionError, match="admin_temporary_password"):
                protection.reactivate(seen, "slow", "late")
        else:
            meanwhile("detection", "ignore", row_id, *WHY)
            with pytest.raises(InteractionError, match="admin_ignored"):
                protection.close_detection(seen, RiskEvent.ADMIN_RESOLVED, "slow", "late")
        session().rollback()
    assert shown(world)["risk_level"] == "none"


def test_what_the_user_or_the_system_cured_cannot_be_reactivated(world: World) -> None:
    """F035: the verb is absent, and refuses with the reason."""
    world.make_user(authenticators=("totp",))
    world.apply(USER_RISK_POLICY)
    leaked = find(world, "leaked_credentials", RiskLevel.HIGH)
    browser = world.browser().start().sign_in().acknowledge().prove()
    assert browser.choose_password("nine loud cranes under granite").is_signed_in
    closed = shown(world)["detections"][0]
    assert (closed["detail"], closed["can"]) == ("user_changed_password", [])
    assert "user_changed_password" in refusal(world, "detection", "reactivate", leaked, *WHY)
    find(world, "weak_thing", RiskLevel.LOW)
    weak = shown(world)["detections"][1]["id"]
    assert "it is open" in refusal(world, "detection", "reactivate", weak, *WHY)
    world.clock.move(days=181)
    assert answer(world, "purge")["aged_out"] == 1
    assert "aged_out" in refusal(world, "detection", "reactivate", weak, *WHY)


def test_what_is_reactivated_has_to_be_cleared_anew(world: World) -> None:
    """2.2: what clears a risk is newer than the risk; a second factor from before the reactivation is not."""
    world.make_user(authenticators=("totp",))
    world.apply(USER_RISK_POLICY, MFA_POLICY)
    leaked = find(world, "leaked_credentials", RiskLevel.HIGH)
    answer(world, "detection", "ignore", leaked, *WHY)
    browser = world.browser().start().sign_in().prove()
    assert browser.is_signed_in
    world.clock.move(seconds=5)
    answer(world, "detection", "reactivate", leaked, *WHY)
    assert browser.start().step == "notice"
    assert browser.acknowledge().step == "mfa"


def test_a_dismissal_is_undone_exactly_and_only_within_its_window(world: World) -> None:
    """F036, F030: states and details are as before, of user, sign-in and detections; the line of history tells who."""
    world.make_user()
    world.list_address()
    world.browser(TOR_ADDRESS).start().sign_in()
    answer(world, "user", "confirm-compromised", "ada", "--reason", "phished")
    sign_in = shown(world)["detections"][0]["sign_in"]

    def standing() -> Any:
        told = shown(world)
        with world.arranging():
            row = session().get(SignIn, sign_in)
            assert row is not None
            of_sign_in = (row.aggregated_level, row.risk_state, row.risk_detail)
        of_user = {name: told[name] for name in ("risk_level", "risk_state", "risk_detail", "detections")}
        return of_user, of_sign_in

    before = standing()
    dismissed = answer(world, "user", "dismiss", "ada", *WHY)
    assert (dismissed["risk_level"], dismissed["risk_state"]) == ("none", "dismissed")
    assert shown(world)["undo_dismissal_until"] is not None
    undone = answer(world, "user", "undo-dismissal", "ada", "--reason", "wrong Ada")
    assert undone["changed"]["open_detections"] == {"before": 0, "after": 2}
    assert standing() == before
    assert "wrong Ada" in shown(world)["history"][-1]["cause"]
    assert "undone already" in refusal(world, "user", "undo-dismissal", "ada", *WHY)
    answer(world, "user", "dismiss", "ada", *WHY)
    world.clock.move(hours=25)
    assert shown(world)["undo_dismissal_until"] is None
    assert "24 hours" in refusal(world, "user", "undo-dismissal", "ada", *WHY)
    assert shown(world)["risk_level"] == "none"


def test_undoing_takes_the_newest_dismissal_first_also_of_a_single_sign_in(world: World) -> None:
    """F036, F114: that one alone, however often it is asked for, and nothing that was closed otherwise."""
    world.make_user()
    world.list_address()
    world.browser(TOR_ADDRESS).start().sign_in()
    first = find(world, "user_reported", RiskLevel.HIGH)
    ignored = find(world, "suspicious_thing")
    answer(world, "detection", "ignore", ignored, *WHY)
    answer(world, "user", "dismiss", "ada", *WHY)
    world.clock.move(hours=1)
    world.browser(TOR_ADDRESS).start().sign_in()
    newest = shown(world)["detections"][-1]
    answer(world, "sign-in", "dismiss", newest["sign_in"], *WHY)
    undone = answer(world, "user", "undo-dismissal", "ada", *WHY)
    assert undone["changed"]["open_detections"] == {"before": 0, "after": 1}
    states = {row["id"]: row["state"] for row in shown(world)["detections"]}
    assert (states[newest["id"]], states[first], states[ignored]) == ("at_risk", "dismissed", "dismissed")
    assert "undone already" in refusal(world, "user", "undo-dismissal", "ada", *WHY)
    assert shown(world)["undo_dismissal_until"] is None
    answer(world, "detection", "reactivate", first, *WHY)
    states = {row["id"]: row["state"] for row in shown(world)["detections"]}
    assert (states[first], states[ignored]) == ("at_risk", "dismissed")


def test_the_window_for_undoing_is_a_setting(make_world: Any) -> None:
    """F036: IDPROTECT_UNDO_WINDOW."""
    world = make_world(IDPROTECT_UNDO_WINDOW=600)
    world.make_user()
    find(world, "suspicious_thing")
    answer(world, "user", "dismiss", "ada", *WHY)
    world.clock.move(minutes=11)
    assert "0.166667 hours" in refusal(world, "user", "undo-dismissal", "ada", *WHY)


def test_dismissing_leaves_the_sessions_unless_that_is_ticked(world: World) -> None:
    """F091."""
    world.make_user()
    browser = world.browser().start().sign_in()
    find(world, "suspicious_thing")
    answer(world, "user", "dismiss", "ada", *WHY)
    assert browser.start().is_signed_in
    find(world, "suspicious_thing")
    answer(world, "user", "dismiss", "ada", "--end-sessions", *WHY)
    assert browser.start().step == "sign_in"


def test_a_sign_in_that_was_confirmed_compromised_stays_so_until_somebody_says_otherwise(
    world: World,
) -> None:
    """F094: neither its second factor nor a later finding changes that; confirming it safe does."""
    world.make_user(authenticators=("totp",))
    browser = world.browser().start().sign_in()
    with world.arranging():
        sign_in = session().query(SignIn).one()
    done = answer(world, "sign-in", "confirm-compromised", sign_in.id, "--keep-sessions", *WHY)
    assert (done["risk_real_time"], done["risk_aggregated"]) == ("none", "high")
    assert shown(world)["detections"][0]["sign_in"] == sign_in.id
    world.apply(MFA_POLICY)
    assert browser.start().prove().is_signed_in
    with world.arranging():
        row = session().get(SignIn, sign_in.id)
        assert row is not None
        weak = Finding("weak_thing", RiskLevel.LOW, About.SIGN_IN, ("weak",))
        protection.raise_detection(world.user(), weak, row)
        assert (row.aggregated_level, row.risk_state) == (3, "confirmed_compromised")
    assert (shown(world)["risk_level"], shown(world)["risk_state"]) == ("high", "confirmed_compromised")
    safe = answer(world, "sign-in", "confirm-safe", sign_in.id, *WHY)
    assert (safe["risk_aggregated"], safe["risk_state"]) == ("none", "confirmed_safe")
    assert shown(world)["risk_level"] == "none"


def test_feedback_teaches_unteaches_and_restarts_learning(world: World) -> None:
    """2.2, D07: confirm safe restarts; confirm sign-in safe teaches; confirm compromised unlearns what came since."""
    world.make_user()
    for _ in range(3):
        world.browser().start().sign_in()
        world.clock.move(hours=1)
    with world.arranging():
        ids = [row.id for row in session().query(SignIn).order_by(SignIn.signed_in_at)]

    def teaches() -> list[bool | None]:
        with world.arranging():
            return [row.teaches for row in session().query(SignIn).order_by(SignIn.signed_in_at)]

    answer(world, "sign-in", "confirm-compromised", ids[1], *WHY)
    assert teaches() == [None, False, False]
    assert answer(world, "sign-in", "confirm-safe", ids[2], *WHY)["teaches"] is True
    assert teaches() == [None, False, True]
    before = datetime.fromisoformat(shown(world)["learning_since"])
    answer(world, "user", "confirm-safe", "ada", *WHY)
    assert datetime.fromisoformat(shown(world)["learning_since"]) - before > timedelta(hours=2)


def test_confirming_a_user_compromised_unlearns_from_the_first_sign_of_it(world: World) -> None:
    """What the attacker did in the meantime does not become usual; what was before stays."""
    world.make_user()
    world.list_address()
    world.browser().start().sign_in()
    world.clock.move(days=1)
    world.browser(TOR_ADDRESS).start().sign_in()
    world.clock.move(days=1)
    world.browser().start().sign_in()
    answer(world, "user", "confirm-compromised", "ada", *WHY)
    with world.arranging():
        taught = [row.teaches for row in session().query(SignIn).order_by(SignIn.signed_in_at)]
    assert taught == [None, False, False]


def test_reactivating_takes_back_what_confirming_safe_had_taught(world: World) -> None:
    world.make_user()
    world.list_address()
    world.browser(TOR_ADDRESS).start().sign_in()
    row = shown(world)["detections"][0]
    assert answer(world, "sign-in", "confirm-safe", row["sign_in"], *WHY)["teaches"] is True
    answer(world, "detection", "reactivate", row["id"], *WHY)
    with world.arranging():
        assert session().query(SignIn).one().teaches is None


def test_this_was_me_teaches_the_stopped_sign_in(world: World) -> None:
    """2.2, F096: asked at a later sign-in without risk; dismissed, its share is gone, its context is learnt."""
    world.make_user()
    world.list_address()
    home = world.browser().start().sign_in()
    world.apply(SIGN_IN_RISK_BLOCK)
    assert world.browser(TOR_ADDRESS).start().sign_in().step == "block"
    home.get("/sign-out").submit(action="/sign-out")
    home.start().sign_in()
    assert home.step == "review"
    home.submit({}, button="yes")
    with world.arranging():
        stopped = session().query(SignIn).filter(SignIn.ip_address == TOR_ADDRESS).one()
        assert (stopped.teaches, stopped.risk_state, stopped.risk_detail) == (
            True,
            "dismissed",
            "user_confirmed",
        )
    assert shown(world)["risk_level"] == "none"


def test_a_sign_in_that_its_owner_disowns_teaches_nothing(world: World) -> None:
    """F017: on the account page, of one that was let in; it would have taught the profile by its outcome."""
    world.make_user()
    world.browser("198.51.100.99").start().sign_in()
    home = world.browser().start().sign_in()
    with world.arranging():
        rows = session().query(SignIn).order_by(SignIn.signed_in_at).all()
        foreign, own = rows[0].id, rows[1].id
    home.get(f"/account/sign-ins/{foreign}/report").submit(action="/report")
    with world.arranging():
        assert {row.id: row.teaches for row in session().query(SignIn)} == {foreign: False, own: None}
    assert shown(world)["risk_level"] == "high"


# recovery without a password


def test_token_risk_is_cured_by_ending_everything_and_a_strong_sign_in(world: World) -> None:
    """F045, 2.2 sessions_revoked: after the second success, not before; who signed in meanwhile with less is out."""
    world.make_user(authenticators=("totp",))
    world.apply(MFA_POLICY)
    first = world.browser().start().sign_in().prove()
    assert first.is_signed_in
    find(world, "anomalous_token", RiskLevel.HIGH)
    answer(world, "user", "recover", "ada", "--reason", "a stolen cookie")
    assert first.start().step == "sign_in"
    assert shown(world)["risk_level"] == "high", "nothing is closed yet"
    weak = world.browser("198.51.100.99").start().sign_in()
    assert weak.step == "mfa"
    assert first.sign_in().prove().is_signed_in
    told = shown(world)
    assert (told["risk_level"], told["risk_state"], told["risk_detail"]) == (
        "none",
        "remediated",
        "sessions_revoked",
    )
    assert told["detections"][0]["can"] == []
    assert weak.start().step == "sign_in"


def test_risk_that_came_after_everything_was_ended_is_not_cured(world: World) -> None:
    world.make_user(authenticators=("totp",))
    world.apply(MFA_POLICY)
    find(world, "anomalous_token", RiskLevel.HIGH)
    answer(world, "user", "recover", "ada", *WHY)
    find(world, "anomalous_token", RiskLevel.HIGH)
    assert world.browser().start().sign_in().prove().is_signed_in
    assert shown(world)["risk_level"] == "high"


def test_a_second_factor_from_before_cures_nothing(world: World) -> None:
    """The sign-in has to come after everything was ended; an ordinary one changes nothing about the identity."""
    world.make_user(authenticators=("totp",))
    world.apply(MFA_POLICY)
    find(world, "anomalous_token", RiskLevel.HIGH)
    assert world.browser().start().sign_in().prove().is_signed_in
    assert shown(world)["risk_level"] == "high"


def test_recovery_without_a_password_is_refused_where_the_password_may_be_known(world: World) -> None:
    """F045: a clear reason; nothing ends."""
    world.make_user()
    browser = world.browser().start().sign_in()
    assert "no risk is open" in refusal(world, "user", "recover", "ada", *WHY)
    find(world, "anomalous_token", RiskLevel.HIGH)
    find(world, "leaked_credentials", RiskLevel.HIGH)
    assert "leaked_credentials" in refusal(world, "user", "recover", "ada", *WHY)
    assert browser.start().is_signed_in


def test_whoever_has_no_password_recovers_from_any_risk(world: World) -> None:
    """2.2: passwordless users."""
    world.make_user(password=None, authenticators=("totp",))
    find(world, "user_reported", RiskLevel.HIGH)
    answer(world, "user", "recover", "ada", *WHY)
    with world.arranging():
        now = clock.now()
        sign_in = SignIn(
            id="a" * 32,
            user_id=world.user().id,
            succeeded=True,
            signed_in_at=now,
            authenticated_at=now,
            mfa_at=now,
            last_seen_at=now,
            expires_at=now,
        )
        session().add(sign_in)
        protection.mitigate(world.user(), sign_in, for_sign_in_risk=False)
    assert (shown(world)["risk_state"], shown(world)["risk_detail"]) == ("remediated", "sessions_revoked")


# deletion


def test_a_deleted_user_is_gone_at_once_and_the_risk_stays_to_be_closed(world: World) -> None:
    """F104, 2.2, A 7.4.2: sessions and tokens end; rows survive and can be closed; the id is never given again."""
    user_id = world.make_user(authenticators=("totp",))
    browser = world.browser().start().sign_in()
    assert browser.is_signed_in
    find(world, "leaked_credentials", RiskLevel.HIGH)
    find(world, "suspicious_thing")
    assert answer(world, "user", "delete", "ada", "--reason", "left the company")["id"] == user_id
    assert browser.start().step == "sign_in"
    assert browser.sign_in().step == "sign_in", "there is no such user"
    with world.arranging():
        for model in (Authenticator, Consent, Device, Token):
            assert session().query(model).count() == 0
        assert session().query(SignIn).filter(SignIn.user_id == user_id).count() == 1
        event = session().query(AuditEvent).filter(AuditEvent.name == "user:deleted").one()
        assert event.details["reason"] == "left the company"
    assert world.make_user() != user_id
    assert shown(world)["detections"] == [], "the next Ada begins anew"
    told = shown(world, user_id)
    assert (told["deleted"], len(told["detections"])) == (True, 2)
    orphans = answer(world, "detection", "list", "--open", "--orphaned")
    assert {row["user"] for row in orphans} == {user_id}
    for row in orphans:
        answer(world, "detection", "resolve", row["id"], *WHY)
    lines = shown(world, user_id)["history"]
    assert lines[-1]["change"].endswith("-> none")
    assert answer(world, "detection", "list", "--open", "--orphaned") == []


def test_low_risk_of_a_deleted_user_fades_too(world: World) -> None:
    """F032, F104."""
    user_id = world.make_user()
    find(world, "weak_thing", RiskLevel.LOW)
    answer(world, "user", "delete", "ada", *WHY)
    world.clock.move(days=181)
    assert answer(world, "age-out") == {"aged_out": 1}
    assert shown(world, user_id)["history"][-1]["change"] == "low -> none"


def test_the_last_administrator_cannot_be_deleted(world: World) -> None:
    """A 16.3.x."""
    world.make_user("root", roles=("administrator",))
    assert "last administrator" in refusal(world, "user", "delete", "root", *WHY)
    world.make_user("other", roles=("administrator",))
    answer(world, "user", "delete", "root", *WHY)
    assert "last administrator" in refusal(world, "user", "delete", "other", *WHY)


def test_verbs_on_a_sign_in_of_a_deleted_user_say_what_to_do_instead(world: World) -> None:
    world.make_user()
    world.browser().start().sign_in()
    with world.arranging():
        sign_in = session().query(SignIn).one().id
    answer(world, "user", "delete", "ada", *WHY)
    assert "one by one" in refusal(world, "sign-in", "confirm-safe", sign_in, *WHY)


# ageing


def test_ageing_is_noted_and_takes_only_what_is_old_and_weak(world: World) -> None:
    """F032: also what was too weak to make low by itself, so that it never adds up with something years later."""
    world.make_user()
    find(world, "weak_thing", RiskLevel.LOW)
    world.clock.move(days=179)
    assert answer(world, "age-out") == {"aged_out": 0}
    find(world, "weak_thing", RiskLevel.LOW)
    world.clock.move(days=2)
    assert answer(world, "age-out") == {"aged_out": 1}
    told = shown(world)
    assert [row["state"] for row in told["detections"]] == ["aged_out", "at_risk"]
    assert told["risk_level"] == "low"
    world.clock.move(days=180)
    assert answer(world, "purge")["aged_out"] == 1
    line = shown(world)["history"][-1]
    assert (line["change"], line["state"], line["by"]) == ("low -> none", "aged_out", "system")
    assert "180 days" in line["cause"]


def test_an_import_of_a_leaked_pair_raises_high_and_a_stale_pair_nothing(world: World) -> None:
    """F008."""
    from tests.support.world import PASSWORD

    world.make_user()
    told = answer(world, "import-leaks", "-", stdin=f"ada:{PASSWORD}\nada:an older password\n")
    assert (told["pairs"], told["matches"]) == (2, ["ada"])
    with world.arranging():
        assert session().query(RiskDetection).count() == 1
        assert session().query(User).one().risk_level == 3
