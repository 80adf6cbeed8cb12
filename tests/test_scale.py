"""Judging a sign-in costs the same however much is stored, and parallel sign-ins do not wait for each other."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import event, insert, select

from idprotect import clock, counts, judging, learning
from idprotect.browser import Visitor
from idprotect.models import RiskCount, RiskProfile, SignIn, User, new_id, session
from idprotect.risk import Result, RiskLevel
from idprotect.risk.population import TOTAL, Change
from idprotect.runtime import runtime
from tests.support.world import FIREFOX, PASSWORD, SIGN_IN_RISK_POLICY, Browser, World, build_app

LONDON = "198.51.100.10"
WORKERS = 8


@dataclass
class Home:
    """A server with policies, where ada signed in before in the browser."""

    world: World
    browser: Browser

    @property
    def device_token(self) -> str:
        """The cookie by which it is familiar."""
        return next(c.value or "" for c in self.browser.http.cookies if c.name == "idprotect-device")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def home(make_world: Callable[..., World], request: pytest.FixtureRequest) -> Home:
    """Make it over each database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    world = make_world(IDPROTECT_DATABASE_URL=url)
    world.make_user()
    world.apply(SIGN_IN_RISK_POLICY)
    browser = world.browser(LONDON).start().sign_in()
    assert browser.is_signed_in
    return Home(world, browser)


@contextmanager
def _counting() -> Iterator[list[str]]:
    """Collect the statements that are sent to the database."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    engine = runtime().db.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def test_a_sign_in_is_judged_with_three_statements_however_much_is_stored(home: Home) -> None:
    """Issue 3: three round trips, in a familiar browser or another, with one sign-in stored or many."""
    for token in (home.device_token, "x" * 43, None):
        with home.world.arranging():
            few = _judged(token)
            _store_many()
            many = _judged(token)
        assert few == many
        assert 2 <= len(few) <= 3, "\n".join(few)


def _judged(device_token: str | None) -> list[str]:
    """Return the statements of judging a sign-in of ada's."""
    user = session().query(User).one()
    visitor = Visitor(LONDON, FIREFOX, "Firefox on Linux", "linux", device_token)
    with _counting() as sent:
        holder = judging.holder(visitor, user)
        attempt = judging.attempt_at(user, visitor, holder.browser_id, password_ok=True)
        judging.judge(attempt, PASSWORD)
    return sent


def _store_many() -> None:
    """Store sign-ins of ada and of others, and counts of their addresses."""
    user_id = session().query(User).one().id
    model = session().query(SignIn).filter(SignIn.completed_at.is_not(None)).first()
    assert model is not None
    columns = {column.key: getattr(model, column.key) for column in SignIn.__table__.columns}
    changed = ({"id": new_id(), "cookie_hash": None, "user_id": user} for user in (user_id, new_id()) * 50)
    session().execute(insert(SignIn), [columns | other for other in changed])
    counted = {"slow_period": 1, "fast_period": 1, "ok": 1.0, "users": 1.0, "failed": 0.0, "accounts": 0.0}
    rows = [{"key": f"site:{new_id()}", "burst": 0.0, "burst_accounts": 0.0} | counted for _ in range(50)]
    session().execute(insert(RiskCount), rows)


@pytest.fixture
def crowd() -> Iterator[ThreadPoolExecutor]:
    """As many threads as workers."""
    with ThreadPoolExecutor(WORKERS) as pool:
        yield pool


@pytest.mark.postgres
@pytest.mark.parametrize("home", ["postgresql"], indirect=True)  # SQLite has one writer
def test_parallel_sign_ins_do_not_queue_at_the_count_of_everybody(
    home: Home, crowd: ThreadPoolExecutor
) -> None:
    """Issue 3: while a count is held, at most the thread that is writing counts waits; nothing is lost."""
    names = [f"user{number}" for number in range(WORKERS)]
    for name in names:
        home.world.make_user(name)
    before = _stored_total(home)
    with _holding_the_total(home):
        signing_in = [crowd.submit(_sign_in, home.world, name) for name in names]
        done: list[Future[bool]] = list(islice(as_completed(signing_in, 120), WORKERS - 1))
        assert all(future.result() for future in done)
    assert all(future.result(120) for future in signing_in)
    assert _stored_total(home) == pytest.approx(before + WORKERS, abs=0.01)


def test_workers_that_count_alike_lose_nothing(home: Home, crowd: ThreadPoolExecutor) -> None:
    """Issue 3: sums are right after processes added to the same counts at once, in batches of another order each."""
    before = _stored_total(home)
    database = home.world.app.config["SQLALCHEMY_DATABASE_URI"]
    workers = [
        build_app(home.world.url, home.world.folder, None, IDPROTECT_DATABASE_URL=database) for _ in range(4)
    ]
    barrier = Barrier(len(workers))
    for future in [crowd.submit(_count_and_write, app, barrier, order) for order, app in enumerate(workers)]:
        future.result(120)
    assert _stored_total(home) == pytest.approx(before + 4 * 10 * 3, rel=1e-3)


def test_parallel_failures_of_one_user_are_all_learnt(home: Home, crowd: ThreadPoolExecutor) -> None:
    """Issue 3: a profile that several workers change at once keeps every change."""
    barrier = Barrier(WORKERS)
    for future in [crowd.submit(_fail, home.world.app, barrier) for _ in range(WORKERS)]:
        future.result(120)
    with home.world.arranging():
        profile = learning.read(session().scalar(select(RiskProfile.document)))
    assert (profile.in_a_row, len(profile.failures)) == (WORKERS, WORKERS)


def _sign_in(world: World, name: str) -> bool:
    return world.browser(LONDON).start().sign_in(name).is_signed_in


def _stored_total(home: Home) -> float:
    """Return how many sign-ins are counted in the database, this server's own written first."""
    with home.world.app.app_context():
        counts.write(now=True)
        stored = counts.stored([TOTAL], clock.now().timestamp())
    return stored[TOTAL].ok


@contextmanager
def _holding_the_total(home: Home) -> Iterator[None]:
    """Keep everybody else from changing the count of all sign-ins."""
    key = select(RiskCount.key).where(RiskCount.key == "all:").with_for_update()
    with home.world.app.app_context():
        engine = runtime().db.engine
    with engine.begin() as connection:
        assert connection.execute(key).all(), "there is nothing to wait for"
        yield


def _count_and_write(app: Flask, barrier: Barrier, order: int) -> None:
    keys = [("site", str(number)) for number in range(20)]
    keys = keys[order * 5 :] + [TOTAL] + keys[: order * 5]
    for _ in range(10):
        with app.app_context():
            now = clock.now().timestamp()
            counts.add(now, [Change(key, ok=3) for key in keys])
            barrier.wait(60)
            counts.write(now=True)


def _fail(app: Flask, barrier: Barrier) -> None:
    with app.test_request_context():
        user = session().query(User).one()
        attempt = judging.attempt_at(user, Visitor(LONDON, FIREFOX, "", None, None), None, password_ok=False)
        barrier.wait(60)
        learning.outcome(attempt, Result.FAILURE, RiskLevel.NONE, None, None)
        session().commit()
