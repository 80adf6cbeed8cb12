"""Mail to administrators about people at risk: at once, one for a burst, and again when something new is found."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from idprotect import alerts, protection, webhooks
from idprotect.models import AuditEvent, Delivery, session
from idprotect.risk import About, Finding, RiskLevel
from tests.oidc.server import Person, Server
from tests.worker.conftest import Told

BOSS = "boss@example.org"


@pytest.fixture
def alerting(server: Server, tell: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that has begun to look, with a named recipient."""
    change(server, monkeypatch, alert_recipients=(BOSS,))
    tell("deliver")
    return server


def change(server: Server, monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    """Run on with other settings."""
    for app in (server.app, server.front):
        runtime = app.extensions["idprotect"]
        monkeypatch.setattr(runtime, "settings", replace(runtime.settings, **values))


def compromise(server: Server, person: Person) -> None:
    server.act(protection.confirm_compromised, person.username, "test")


def after_a_while(server: Server, tell: Told) -> list[Any]:
    """Let the window pass; return the mails that are new, oldest first."""
    before = {mail.id for mail in server.mails("at risk")}
    server.clock.move(seconds=61)
    tell("deliver")
    return [mail for mail in reversed(server.mails("at risk")) if mail.id not in before and mail.to == BOSS]


def test_reaching_the_level_mails(alerting: Server, tell: Told) -> None:
    """F105: who, how high, what was found, in one mail of the deployment's name."""
    person = alerting.person()
    compromise(alerting, person)
    (mail,) = after_a_while(alerting, tell)
    assert mail.subject == "Northwind: one person is at risk"
    assert f"{person.username}: high, confirmed compromised" in mail.body
    assert "admin confirmed (1)" in mail.body
    assert f"/admin/users/{person.user_id}" in mail.body
    assert after_a_while(alerting, tell) == []


def test_a_burst_gives_one_mail_that_lists_all(alerting: Server, tell: Told) -> None:
    """F105, aggregation: what comes within the window."""
    people = [alerting.person() for _ in range(5)]
    for person in people:
        compromise(alerting, person)
        tell("deliver")
    (mail,) = after_a_while(alerting, tell)
    assert mail.subject == "Northwind: 5 people are at risk"
    assert all(person.username in mail.body for person in people)


def test_what_is_found_again_mails_again(alerting: Server, tell: Told) -> None:
    """F105: recalculation mails again; what is closed does not."""
    person = alerting.person()
    compromise(alerting, person)
    assert len(after_a_while(alerting, tell)) == 1
    alerting.act(protection.dismiss, person.username, "test", "a test")
    assert after_a_while(alerting, tell) == []
    compromise(alerting, person)
    assert len(after_a_while(alerting, tell)) == 1


def test_a_rule_keeps_repeats_quiet(alerting: Server, tell: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """F105, repeat rule: not about the same person at the same level for so long."""
    change(alerting, monkeypatch, alert_repeat=3600)
    person = alerting.person()
    for expected in (1, 0):
        compromise(alerting, person)
        assert len(after_a_while(alerting, tell)) == expected
        alerting.act(protection.dismiss, person.username, "test", "a test")
    alerting.clock.move(hours=1)
    compromise(alerting, person)
    assert len(after_a_while(alerting, tell)) == 1


def test_below_the_threshold_nobody_is_mailed(
    alerting: Server, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F105, threshold: it is a setting, and empty means no alerts."""
    person = alerting.person()
    medium = Finding("external_finding", RiskLevel.MEDIUM, About.USER, ("a test",))
    alerting.act(protection.raise_detection, person.username, medium)
    assert after_a_while(alerting, tell) == []
    change(alerting, monkeypatch, alert_level="medium")
    alerting.act(protection.raise_detection, person.username, medium)
    assert len(after_a_while(alerting, tell)) == 1
    change(alerting, monkeypatch, alert_level="")
    compromise(alerting, person)
    assert after_a_while(alerting, tell) == []


def test_without_names_it_goes_to_the_administrators(
    alerting: Server, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F105, recipients."""
    change(alerting, monkeypatch, alert_recipients=())
    alerting.make_user("the-boss", email=BOSS, roles=("administrator",))
    compromise(alerting, alerting.person())
    assert len(after_a_while(alerting, tell)) == 1


def silence(server: Server, name: str) -> str:
    """Let a webhook say that it wants no more; return its id."""
    with server.arranging():
        hook, _ = webhooks.add(f"https://{name}.example/hook?token=of-the-receiver", ["user:created"], "test")
        session().flush()
        webhooks.WEBHOOKS.gone(Delivery(id=hook.id, recipient=hook.id, answer="410"))
        return hook.id


def about_webhooks(server: Server, tell: Told) -> list[Any]:
    """Let the window pass; return all mails to the boss about webhooks."""
    server.clock.move(seconds=61)
    tell("deliver")
    return [mail for mail in server.mails("disabled") if mail.to == BOSS]


def test_a_webhook_that_is_disabled_is_mailed_about_once(alerting: Server, tell: Told) -> None:
    """C093, F100: with its answer and what to do, and nothing of its address that may be a secret."""
    hook = silence(alerting, "siem")
    (mail,) = about_webhooks(alerting, tell)
    assert mail.subject == "Northwind: one webhook is disabled"
    assert "siem.example: its last answer was 410" in mail.body
    assert f"flask idprotect webhook enable {hook}" in mail.body
    assert "of-the-receiver" not in mail.body
    assert len(about_webhooks(alerting, tell)) == 1, "once"


def test_webhooks_that_fall_silent_together_stand_in_one_mail(
    alerting: Server, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F105, aggregation; whoever was enabled meanwhile is not named; also where nobody's risk is mailed about."""
    change(alerting, monkeypatch, alert_level="")
    *_, back = [silence(alerting, name) for name in ("siem", "chat", "back")]
    compromise(alerting, alerting.person())
    tell("webhook", "enable", back)
    (mail,) = about_webhooks(alerting, tell)
    assert mail.subject == "Northwind: 2 webhooks are disabled"
    assert ("siem.example" in mail.body, "chat.example" in mail.body) == (True, True)
    assert "back.example" not in mail.body
    assert alerting.mails("at risk") == []


def test_who_is_simulated_is_not_mailed_about(alerting: Server, tell: Told) -> None:
    """F115."""
    person = alerting.person()
    with alerting.arranging():
        alerting.user(person.username).simulated = True
    compromise(alerting, person)
    assert after_a_while(alerting, tell) == []


def test_a_mail_server_that_is_away_gets_it_later(
    alerting: Server, tell: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost: it waits in the outbox."""
    outbox = alerting.folder / "outbox"
    compromise(alerting, alerting.person())
    alerting.clock.move(seconds=61)
    runtime = alerting.app.extensions["idprotect"]
    with monkeypatch.context() as patch:
        patch.setattr(runtime.mail, "folder", outbox / "not.json" / "x")
        (outbox / "not.json").write_text("")
        assert tell("deliver")["failed"] == 1
    (outbox / "not.json").unlink()
    assert tell("deliveries")[0]["state"] == "waiting"
    assert len(after_a_while(alerting, tell)) == 1


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_several_workers_send_one(
    database: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F105, I5: the place in the log is moved by a conditional write."""
    server = request.getfixturevalue("server" if database == "sqlite" else "server_on_postgresql")
    change(server, monkeypatch, alert_recipients=(BOSS,))

    def round_of_one(_: int) -> None:
        with server.app.app_context():
            try:
                alerts.queue_due()
            except OperationalError:  # busy: the next round does it
                session().rollback()

    round_of_one(0)
    compromise(server, server.person())
    server.clock.move(seconds=61)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(round_of_one, range(8)))
    with server.arranging():
        assert session().query(Delivery).filter_by(kind="mail").count() == 1
        assert session().query(AuditEvent).filter_by(name="alert:queued").count() >= 1
