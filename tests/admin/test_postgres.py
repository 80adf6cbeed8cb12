"""The console on PostgreSQL: every list with every filter and order, the charts, the audit chain, and the acts."""

from collections.abc import Callable, Iterator
from threading import Thread
from urllib.parse import urlencode

import pytest

from idprotect import audit, audit_chain, migrations, protection
from idprotect.audit import Event
from idprotect.lists import LISTINGS
from idprotect.lists.listing import Listing
from idprotect.models import SignIn, session
from idprotect.runtime import runtime
from tests.admin.conftest import Enter
from tests.admin.test_lists import fill, rows, walk
from tests.admin.test_triage import do
from tests.security.place import Place
from tests.support.world import SIGN_IN_RISK_BLOCK, TOR_ADDRESS

pytestmark = pytest.mark.postgres


@pytest.fixture
def place(make_a_place: Callable[..., Place], postgres_url: str) -> Iterator[Place]:
    """Run a server on PostgreSQL."""
    made = make_a_place(IDPROTECT_DATABASE_URL=postgres_url)
    with made.app.app_context():
        migrations.upgrade()
    yield made
    with made.app.app_context():
        runtime().db.engine.dispose()


def questions(listing: Listing) -> Iterator[dict[str, str]]:
    """Return an answer for every filter, every order, and a search."""
    texts = {"ip": "192.0.2.1", "date": "2026-01-31"}
    for question in listing.filters:
        for answer in question.choices or [texts.get(question.name, texts.get(question.kind, "ada"))]:
            yield {question.name: answer}
    for column in listing.columns:
        if column.sortable:
            yield {"sort": column.name}
            yield {"sort": f"-{column.name}"}
    yield {"q": "ada"}
    yield {"q": "100%_'\"\\"}


def test_every_list_answers_every_question(place: Place, enter: Enter) -> None:
    """Section 9: the same on PostgreSQL and SQLite; 12: no error of ours."""
    place.make_user("ada")
    place.list_address()
    place.apply(SIGN_IN_RISK_BLOCK)
    place.browser(TOR_ADDRESS).start().sign_in("ada")
    fill(place, 5)
    visitor = enter()
    for name, listing in LISTINGS.items():
        for question in questions(listing):
            path = f"/admin/{name.replace('_', '-')}/?{urlencode(question)}"
            assert visitor.get(path).status == 200, f"{path} {visitor.text[:200]}"
    for path in ("/admin/?days=7", "/admin/?days=90", "/admin/policies/", "/admin/acts/"):
        assert visitor.get(path).status == 200


def test_pages_hold_every_row_once(place: Place, enter: Enter) -> None:
    place.make_user("ada")
    fill(place)
    visitor = enter().get("/admin/sign-ins/?user=ada")
    found = [key for page in walk(visitor, "next") for key in page]
    stored = sorted(place.rows(SignIn, SignIn.device_name == ""), key=lambda row: (row.signed_in_at, row.id))
    assert found == [row.id for row in reversed(stored)]
    assert rows(visitor)


def test_parallel_sealing_makes_one_chain_while_sign_ins_go_on(place: Place) -> None:
    """Section 10: sealing waits for nobody, and nobody for sealing: an open transaction comes in a later batch."""
    with place.arranging():
        for number in range(300):
            audit.record(Event.USER_CHANGED, actor="eve", number=number)

    def seal() -> None:
        with place.app.app_context():
            audit_chain.seal()

    with place.app.app_context():
        audit.record(Event.USER_CHANGED, actor="slow")  # not committed yet, with a lower id than what follows
        threads = [Thread(target=seal) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()
        session().commit()
    with place.app.app_context():
        found = audit_chain.verify()
        assert found.is_whole, found.problems
        assert found.events == 301


def test_an_act_is_done_and_written_down(place: Place, enter: Enter) -> None:
    user_id = place.make_user("ada")
    place.act(protection.confirm_compromised, "ada", "test")
    assert "Done." in do(enter(), "dismiss", user_id).text
    assert place.cli("audit", "verify").exit_code == 0
