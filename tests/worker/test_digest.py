"""The weekly mail: counts that equal the lists', links, the deployment's name, and a way to end it."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from idprotect import digests, protection
from idprotect.models import Delivery, session
from idprotect.senders import Message
from idprotect.senders.smtp import SmtpSender
from tests.oidc.server import Server
from tests.worker.conftest import Told
from tests.worker.test_alerts import BOSS, change


@pytest.fixture
def reporting(server: Server, tell: Told, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server with one recipient, that has seen its first week begin."""
    change(server, monkeypatch, alert_recipients=(BOSS,), alert_level="")
    tell("deliver")
    return server


def next_monday(server: Server, tell: Told) -> list[Any]:
    """Go to the next Monday; return the digests that are new."""
    before = {mail.id for mail in server.mails("the week")}
    now = server.clock.now()
    monday = digests.FIRST_WEEK + ((now - digests.FIRST_WEEK) // digests.WEEK + 1) * digests.WEEK
    server.clock.move(seconds=(monday - now).total_seconds() + 60)
    tell("deliver")
    return [mail for mail in server.mails("the week") if mail.id not in before]


def link_in(mail: Any) -> str:
    """Return the path that ends the mail."""
    found = re.search(r"https://id\.example(/digest/unsubscribe/\S+)", mail.body)
    assert found is not None
    return found[1]


def test_a_mail_a_week_with_counts_links_and_the_name(reporting: Server, tell: Told) -> None:
    """F106, C088: sent on Monday, once; each number leads to its list."""
    (mail,) = next_monday(reporting, tell)
    assert (mail.to, mail.subject) == (BOSS, "Northwind: the week")
    assert "Sign-ins stopped by a policy: 0\n" in mail.body
    assert "https://id.example/admin/risky-users/?level=high&state=open" in mail.body
    tell("deliver")
    assert len(reporting.mails("the week")) == 1
    assert len(next_monday(reporting, tell)) == 1


def test_the_numbers_are_those_of_the_lists(reporting: Server) -> None:
    """F106: counted by the lists themselves."""

    def numbers() -> dict[str, int]:
        with reporting.arranging():
            return {words: int(n) for words, n in re.findall(r"^(\S.*): (\d+)$", digests.text(), re.M)}

    before = numbers()
    reporting.act(protection.confirm_compromised, reporting.person().username, "test")
    after = numbers()
    assert after["People at high risk now"] == before["People at high risk now"] + 1
    assert after["Detections"] == before["Detections"] + 1
    assert set(after) == {words for words, *_ in digests.COUNTS}


def test_it_can_be_switched_off(reporting: Server, tell: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """F106: on and off."""
    change(reporting, monkeypatch, digest=False)
    assert next_monday(reporting, tell) == []


def test_one_request_ends_it_for_an_address(reporting: Server, tell: Told) -> None:
    """F106: RFC 8058, by a mail program, without a cookie; a GET asks first, and alone changes nothing."""
    (mail,) = next_monday(reporting, tell)
    path = link_in(mail)
    assert mail.unsubscribe_url.endswith(path)
    asked = reporting.send("GET", path)
    assert "gets a mail about the week" in asked.text
    assert len(next_monday(reporting, tell)) == 1
    done = reporting.send("POST", path, {"List-Unsubscribe": "One-Click"})
    assert (done.status_code, "no weekly mail any more" in done.text) == (200, True)
    assert next_monday(reporting, tell) == []
    tell("digest", "--subscribe", BOSS)
    assert len(next_monday(reporting, tell)) == 1


@pytest.mark.parametrize("token", ["x", "ImJvc3NAZXhhbXBsZS5vcmci.forged", "a.b.c"])
def test_a_link_that_we_did_not_make_ends_nothing(reporting: Server, tell: Told, token: str) -> None:
    """Section 3: signed; nobody ends somebody else's mail."""
    assert reporting.send("POST", f"/digest/unsubscribe/{token}").status_code == 400
    assert len(next_monday(reporting, tell)) == 1


def test_mail_programs_find_the_link_in_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8058 section 3.1: both headers, and only where there is something to end."""
    sender, sent = SmtpSender("localhost", "id@example.org"), []
    monkeypatch.setattr(sender, "_deliver", lambda mail, *_: sent.append(mail))
    url = "https://id.example/digest/unsubscribe/x"
    sender.send(Message("mail", BOSS, "The week", "…", "digest", unsubscribe_url=url))
    sender.send(Message("mail", BOSS, "Alarm", "…", "alert"))
    assert sent[0]["List-Unsubscribe"] == f"<{url}>"
    assert sent[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert sent[1]["List-Unsubscribe"] is None


def test_weeks_begin_on_monday_morning() -> None:
    """F106: the number of a week moves then, and at no other time."""
    monday = datetime(2026, 11, 30, 6, tzinfo=UTC)
    week: Callable[[datetime], int] = lambda at: (at - digests.FIRST_WEEK) // digests.WEEK  # noqa: E731
    assert monday.weekday() == 0
    assert week(monday) == week(monday - timedelta(seconds=1)) + 1
    assert week(monday + timedelta(days=6, hours=23)) == week(monday)


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_several_workers_send_one_digest(
    database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F106, I5: the week is moved on by a conditional write."""
    server = request.getfixturevalue("server" if database == "sqlite" else "server_on_postgresql")
    change(server, monkeypatch, alert_recipients=(BOSS,))

    def round_of_one(_: int) -> None:
        with server.app.app_context():
            try:
                digests.queue_due()
            except OperationalError:  # busy: the next round does it
                session().rollback()

    round_of_one(0)
    server.clock.move(days=7)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(round_of_one, range(8)))
    with server.arranging():
        assert session().query(Delivery).filter_by(kind="mail").count() == 1
