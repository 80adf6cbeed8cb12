"""A walk over all verbs about risk, in any order: what must hold of levels, states and history after each of them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from idprotect import clock, migrations, protection, users
from idprotect.errors import InteractionError
from idprotect.models import RiskDetection, RiskHistory, SignIn, User, new_id, session
from idprotect.risk import About, Finding, OpenSignIn, RiskEvent, RiskLevel, Timing, user_risk
from idprotect.runtime import runtime
from tests.support.world import Clock, build_app

LEVELS = st.sampled_from([RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH])
NAMES = st.sampled_from(["leaked_credentials", "anomalous_token", "listed_ip", "suspicious_thing"])
#: Written out by hand: the details of what an administrator closed.
BY_HAND = {
    "admin_dismissed",
    "admin_confirmed_safe",
    "admin_resolved",
    "admin_false_positive",
    "admin_ignored",
}
CURED = {
    "user_passed_mfa",
    "assessed_safe",
    "user_changed_password",
    "sessions_revoked",
    "admin_temporary_password",
    "user_confirmed",
    "aged_out",
}
SINGLE = [RiskEvent.ADMIN_RESOLVED, RiskEvent.ADMIN_FALSE_POSITIVE, RiskEvent.ADMIN_IGNORED]
WHY = ("admin", "a reason")


class Walk(RuleBasedStateMachine):
    """One user, some sign-ins, and everybody who does something about the risk."""

    moved: Clock

    @initialize()
    def begin(self) -> None:
        self.user = users.create(f"u{new_id()}", by="test")
        self.user_id = self.user.id
        self.is_deleted = False
        self.cured: dict[str, str] = {}
        self.signs_in(RiskLevel.MEDIUM, completed=True)
        self.signs_in(RiskLevel.HIGH, completed=False)
        session().commit()

    # what is found

    @rule(level=st.sampled_from(RiskLevel), completed=st.booleans())
    def somebody_signs_in(self, level: RiskLevel, completed: bool) -> None:
        if not self.is_deleted:
            self.signs_in(level, completed=completed)

    def signs_in(self, level: RiskLevel, *, completed: bool) -> None:
        now = clock.now()
        sign_in = SignIn(
            id=new_id(),
            user_id=self.user_id,
            succeeded=True,
            signed_in_at=now,
            authenticated_at=now,
            last_seen_at=now,
            expires_at=now + timedelta(days=1),
            risk_level=int(level),
            aggregated_level=int(level),
            risk_state="at_risk" if level else "none",
        )
        session().add(sign_in)
        session().flush()
        found = [Finding("unfamiliar_sign_in", level, About.SIGN_IN, ("unfamiliar",))] if level else []
        protection.raise_detections(self.user, found, sign_in)
        if completed:
            protection.completed(sign_in)

    @rule(name=NAMES, level=LEVELS)
    def something_is_found_about_the_user(self, name: str, level: RiskLevel) -> None:
        if not self.is_deleted:
            protection.raise_detection(self.user, Finding(name, level, About.USER, (name,)))

    @rule(level=LEVELS, data=st.data())
    def something_is_found_about_a_sign_in_later(self, level: RiskLevel, data: st.DataObject) -> None:
        self._with_sign_in(data, lambda sign_in: self._find_later(sign_in, level))

    # what is done about it

    @rule(data=st.data(), for_sign_in_risk=st.booleans())
    def proves_a_second_factor(self, data: st.DataObject, for_sign_in_risk: bool) -> None:
        def prove(sign_in: SignIn) -> None:
            protection.mitigate(self.user, sign_in, for_sign_in_risk=for_sign_in_risk)

        self._with_sign_in(data, prove)

    @rule(data=st.data())
    def changes_the_password_securely(self, data: st.DataObject) -> None:
        self._with_sign_in(data, lambda sign_in: protection.secure_password_change(self.user, sign_in))

    @rule(data=st.data())
    def says_this_was_me(self, data: st.DataObject) -> None:
        self._with_sign_in(data, lambda sign_in: protection.confirm_own_sign_in(self.user, sign_in))

    @rule(
        verb=st.sampled_from(
            [
                protection.dismiss,
                protection.confirm_safe,
                protection.confirm_compromised,
                protection.begin_recovery,
                protection.undo_dismissal,
            ]
        )
    )
    def an_administrator_acts_on_the_user(self, verb: Callable[..., Any]) -> None:
        if not self.is_deleted:
            self._attempt(lambda: verb(self.user, *WHY))

    @rule(
        data=st.data(),
        verb=st.sampled_from(
            [
                protection.dismiss_sign_in,
                protection.confirm_sign_in_safe,
                protection.confirm_sign_in_compromised,
            ]
        ),
    )
    def an_administrator_acts_on_a_sign_in(self, data: st.DataObject, verb: Callable[..., Any]) -> None:
        self._with_sign_in(data, lambda sign_in: verb(self.user, sign_in, *WHY))

    @rule(data=st.data(), event=st.sampled_from(SINGLE))
    def an_administrator_closes_a_detection(self, data: st.DataObject, event: RiskEvent) -> None:
        for row in self._one_of(data, self._detections()):
            was_open = row.state in ("at_risk", "confirmed_compromised")
            done = self._attempt(lambda row=row: protection.close_detection(row, event, *WHY))
            assert done is was_open

    @rule(data=st.data())
    def an_administrator_reactivates_a_detection(self, data: st.DataObject) -> None:
        for row in self._one_of(data, self._detections()):
            may = row.detail in BY_HAND
            assert self._attempt(lambda row=row: protection.reactivate(row, *WHY)) is may

    @rule()
    def an_administrator_sets_a_temporary_password(self) -> None:
        if not self.is_deleted:
            protection.temporary_password(self.user, "admin")

    @rule(days=st.sampled_from([0.1, 2, 200]))
    def time_goes_by(self, days: float) -> None:
        self.moved.move(days=days)
        protection.age_out()

    @rule(dice=st.integers(0, 9))
    def the_user_is_deleted(self, dice: int) -> None:
        if not self.is_deleted and dice == 0:
            users.delete(self.user, *WHY)
            self.is_deleted = True

    # what must hold

    @invariant()
    def the_levels_follow_from_what_is_open(self) -> None:
        """F029: the user's level is the published table's answer; a sign-in without anything open has none."""
        session().commit()
        found = [row for row in self._detections() if row.state in ("at_risk", "confirmed_compromised")]
        sign_ins = {row.id: row for row in self._sign_ins()}
        about_user = [RiskLevel(row.level) for row in found if row.about == "user"]
        risky = {row.sign_in_id for row in found if row.about == "sign_in"}
        shares = [
            OpenSignIn(
                RiskLevel(sign_ins[i or ""].aggregated_level), sign_ins[i or ""].completed_at is not None
            )
            for i in risky
        ]
        level = user_risk(about_user, shares)
        lines = self._history()
        assert level == (lines[-1].to_level if lines else 0)
        user = session().get(User, self.user_id)
        assert (user is None) is self.is_deleted
        assert user is None or user.risk_level == level
        assert user is None or (user.risk_state in ("at_risk", "confirmed_compromised")) is (level > 0)
        confirmed = {row.sign_in_id for row in found if row.state == "confirmed_compromised"}
        for row in sign_ins.values():
            touched = row.id in risky | confirmed
            assert (row.risk_state in ("at_risk", "confirmed_compromised")) is touched
            assert touched or row.aggregated_level == 0
            assert (row.risk_state == "confirmed_compromised") is (row.id in confirmed)
            assert row.id not in confirmed or row.aggregated_level == RiskLevel.HIGH

    @invariant()
    def history_is_a_chain(self) -> None:
        """F031: each line begins where the one before ended; each has a cause, an actor and a time."""
        at = 0
        for line in self._history():
            assert line.from_level == at
            at = line.to_level
            assert line.cause
            assert line.actor

    @invariant()
    def what_was_cured_stays_closed(self) -> None:
        """F035: no verb reopens what the system or the user closed, whatever order they come in."""
        for row in self._detections():
            if row.id in self.cured:
                assert row.detail == self.cured[row.id]
            elif row.detail in CURED:
                self.cured[row.id] = row.detail
            is_open = row.state in ("at_risk", "confirmed_compromised")
            assert is_open is (row.closed_at is None) is (row.state_before is None)

    def teardown(self) -> None:
        session().rollback()

    def _attempt(self, act: Callable[[], Any]) -> bool:
        """Do it; return whether it was not refused. A refusal changes nothing."""
        before = [(row.id, row.state, row.opened_at) for row in self._detections()]
        try:
            act()
        except InteractionError:
            assert [(row.id, row.state, row.opened_at) for row in self._detections()] == before
            return False
        return True

    def _find_later(self, sign_in: SignIn, level: RiskLevel) -> None:
        found = Finding("external_finding", level, About.SIGN_IN, ("later",), timing=Timing.OFFLINE)
        protection.raise_detection(self.user, found, sign_in)

    def _with_sign_in(self, data: st.DataObject, act: Callable[[SignIn], Any]) -> None:
        if not self.is_deleted:
            for sign_in in self._one_of(data, self._sign_ins()):
                act(sign_in)

    def _one_of(self, data: st.DataObject, rows: list[Any]) -> list[Any]:
        return [rows[data.draw(st.integers(0, len(rows) - 1))]] if rows else []

    def _detections(self) -> list[RiskDetection]:
        mine = session().query(RiskDetection).filter_by(user_id=self.user_id)
        return mine.order_by(RiskDetection.detected_at, RiskDetection.id).all()

    def _sign_ins(self) -> list[SignIn]:
        return session().query(SignIn).filter_by(user_id=self.user_id).order_by(SignIn.signed_in_at).all()

    def _history(self) -> list[RiskHistory]:
        return session().query(RiskHistory).filter_by(user_id=self.user_id).order_by(RiskHistory.id).all()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def walk(
    tmp_path: Path, keys: Path, moved_clock: Clock, request: pytest.FixtureRequest
) -> Iterator[type[Walk]]:
    tmp_path.chmod(0o700)
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    app = build_app("https://id.example", tmp_path, keys, IDPROTECT_DATABASE_URL=url)
    with app.test_request_context():
        migrations.upgrade()
        yield type("TheWalk", (Walk,), {"moved": moved_clock})
        runtime().db.engine.dispose()


def test_whatever_is_done_levels_states_and_history_agree(walk: type[Walk]) -> None:
    """F027-F036: all verbs in any order, also about a user who is gone."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        walk,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
