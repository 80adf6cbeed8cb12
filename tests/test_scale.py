"""Judging a sign-in costs the same however much is stored, and parallel sign-ins do not wait for each other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import event, insert

from idprotect import judging
from idprotect.browser import Visitor
from idprotect.models import RiskCount, SignIn, User, new_id, session
from idprotect.runtime import runtime
from tests.support.world import FIREFOX, PASSWORD, SIGN_IN_RISK_POLICY, Browser, World

LONDON = "198.51.100.10"


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
