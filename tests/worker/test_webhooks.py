"""Webhooks: what happens is told to others, signed, once, and to nobody inside our own network."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook as Receiver

from idprotect import protection, webhooks
from idprotect.admin import posture
from idprotect.deliveries import WAITS
from idprotect.models import Delivery, Webhook, session
from idprotect.senders import SendError
from idprotect.senders.outgoing import PUBLIC, Reach, _is_allowed, ipaddress, post
from tests.oidc.applications import Listener
from tests.oidc.server import ISSUER, Server
from tests.support.world import MFA_POLICY
from tests.worker.conftest import Told


def told(listener: Listener, secret: str) -> list[dict[str, Any]]:
    """Return what was heard with a good signature of a secret, by the reference implementation."""
    return [json.loads(body) for headers, body in listener.messages if is_signed(secret, headers, body)]


def is_signed(secret: str, headers: dict[str, str], body: str) -> bool:
    """Whether one of the signatures is by a secret."""
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    right = Receiver(secret).sign(headers["webhook-id"], at, body)
    return right in headers["webhook-signature"].split(" ")


def test_a_change_of_risk_is_told_signed(server: Server, listener: Listener, tell: Told) -> None:
    """F107, C093: the level's change and the detection, by the reference implementation of Standard Webhooks."""
    hook = tell("webhook", "add", listener.url)
    person = server.person()
    server.act(protection.confirm_compromised, person.username, "boss", "phished")
    done = tell("deliver")
    assert done["queued"] == done["delivered"] == len(listener.messages)
    heard = {message["type"]: message for message in told(listener, hook["secret"])}
    changed = heard["user:risk_changed"]["data"]
    assert changed["user"] == {"id": person.user_id, "username": person.username}
    assert (changed["details"]["before"], changed["details"]["level"]) == ("none", "high")
    assert heard["risk:detected"]["data"]["actor"] == "boss"
    assert listener.kinds[0] == "application/json"
    assert tell("deliver")["queued"] == 0, "once"


def test_blocked_sign_ins_and_policies_are_told(server: Server, listener: Listener, tell: Told) -> None:
    """F107: what the usual filter names."""
    hook = tell("webhook", "add", listener.url)
    person = server.person()
    server.apply(
        MFA_POLICY.replace('["mfa"]', '["block"]').replace(
            "[[policy]]", f'[[policy]]\nwho = {{ users = ["{person.username}"] }}'
        )
    )
    person.sign_in()
    server.apply("")
    tell("deliver")
    heard = [message["type"] for message in told(listener, hook["secret"])]
    assert heard == ["policy:applied", "sign_in:blocked", "policy:applied"]


def test_only_what_was_chosen_is_told(server: Server, listener: Listener, tell: Told) -> None:
    """C093: chosen by name, or by subject; what is no event is refused, so a typing mistake is not silence."""
    hook = tell("webhook", "add", listener.url, "--event", "user:created", "--event", "factor:*")
    server.person(authenticators=("totp",))
    server.act(protection.confirm_compromised, server.person().username, "boss")
    tell("deliver")
    assert {message["type"] for message in told(listener, hook["secret"])} == {"user:created"}
    refused = server.cli("webhook", "add", listener.url, "--event", "risk:detectd")
    assert (refused.exit_code, "no event" in refused.output) == (1, True)


def test_what_was_undone_is_not_told(server: Server, listener: Listener, tell: Told) -> None:
    """C093, no phantom: an event is there only with what it tells."""
    tell("webhook", "add", listener.url, "--event", "*")
    tell("deliver")
    listener.messages.clear()
    name = server.person().username
    tell("deliver")
    before = len(listener.messages)
    with server.app.app_context():
        protection.confirm_compromised(server.user(name), "boss")
        session().flush()
        session().rollback()
    tell("deliver")
    assert len(listener.messages) == before


def test_what_is_simulated_is_not_told(server: Server, listener: Listener, tell: Told) -> None:
    """F115: it did not happen."""
    tell("webhook", "add", listener.url, "--event", "risk:*")
    assert server.cli("simulate", "anonymiser").exit_code in (0, 2)
    tell("deliver")
    assert listener.messages == []


def test_a_failure_is_tried_again_with_the_same_id(server: Server, listener: Listener, tell: Told) -> None:
    """C093: growing pauses, the same webhook-id and body, a new timestamp; redirects are not followed."""
    hook = tell("webhook", "add", listener.url)
    listener.answers = [500, 302, 404]
    tell("webhook", "test", hook["id"])
    for wait in WAITS[:3]:
        server.clock.move(seconds=wait.total_seconds() + 1)
        tell("deliver")
    assert len(listener.messages) == 4
    assert len({headers["webhook-id"] for headers, _ in listener.messages}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in listener.messages}) == 4
    (row,) = tell("webhook", "deliveries", hook["id"])
    assert (row["state"], row["tries"], row["answer"]) == ("delivered", 4, "200")


def test_who_never_takes_anything_is_disabled_and_hears_all_of_it_once_enabled(
    server: Server, listener: Listener, tell: Told
) -> None:
    """C093: visible, in the audit log, and nothing is lost."""
    hook = tell("webhook", "add", listener.url, "--event", "user:created")
    listener.answers = [503] * (len(WAITS) + 1)
    first = server.person()
    for wait in (*WAITS, WAITS[-1]):
        tell("deliver")
        server.clock.move(seconds=wait.total_seconds() + 1)
    (shown,) = tell("webhook", "list")
    assert (shown["state"], shown["disabled_why"]) == ("disabled", "503")
    events = {event["event"] for event in tell("audit", "list", "--limit", "10")}
    assert {"webhook:not_delivered", "webhook:disabled"} <= events
    second = server.person()
    listener.messages.clear()
    assert tell("deliver")["queued"] == 0
    assert listener.messages == []
    tell("webhook", "enable", hook["id"])
    tell("deliver")
    heard = {json.loads(body)["data"]["user"]["username"] for _, body in listener.messages}
    assert heard == {first.username, second.username}


def test_who_says_410_is_disabled_at_once_and_administrators_are_told(
    server: Server, listener: Listener, tell: Told
) -> None:
    """C093, F100: nothing is tried again, also of who took something before; the overview says what to do."""
    hook = tell("webhook", "add", listener.url, "--event", "user:created")
    server.person()
    tell("deliver")
    listener.answers = [410]
    for _ in range(3):
        server.person()
    tell("deliver")
    assert len(listener.messages) == 2
    (shown,) = tell("webhook", "list")
    assert (shown["state"], shown["disabled_why"]) == ("disabled", "410")
    server.clock.move(days=1)
    tell("deliver")
    assert len(listener.messages) == 2
    with server.app.test_request_context(base_url=ISSUER):
        advice = [row for row in posture.advice() if listener.url in row.text]
    assert [(row.mend, "410" in row.text) for row in advice] == [
        (f"flask idprotect webhook enable {hook['id']}", True)
    ]
    tell("webhook", "enable", hook["id"])
    tell("deliver")
    assert len(listener.messages) == 5, "nothing is lost"


def test_one_bad_moment_disables_nobody(server: Server, listener: Listener, tell: Told) -> None:
    """Who took something since is only told of in the log."""
    hook = tell("webhook", "add", listener.url)
    listener.answers = [503] * (len(WAITS) + 1)
    tell("webhook", "test", hook["id"])
    for number, wait in enumerate((*WAITS, WAITS[-1])):
        if number == len(WAITS) - 1:
            with server.arranging():
                session().query(Webhook).one().taken_at = session().query(Delivery.created_at).scalar()
        server.clock.move(seconds=wait.total_seconds() + 1)
        tell("deliver")
    assert tell("webhook", "list")[0]["state"] == "enabled"


def test_a_new_secret_signs_beside_the_old_one_for_a_day(
    server: Server, listener: Listener, tell: Told
) -> None:
    """C093: the receiver changes over in its own time; then the old one is worth nothing."""
    hook = tell("webhook", "add", listener.url)
    new = tell("webhook", "rotate-secret", hook["id"])["secret"]
    tell("webhook", "test", hook["id"])
    assert len(told(listener, new)) == len(told(listener, hook["secret"])) == 1
    server.clock.move(hours=25)
    listener.messages.clear()
    tell("webhook", "test", hook["id"])
    assert len(told(listener, new)) == 1
    assert told(listener, hook["secret"]) == []


def test_the_secret_is_nowhere_to_be_read(server: Server, listener: Listener, tell: Told) -> None:
    """Section 6: encrypted in the database, shown once, not in the log."""
    hook = tell("webhook", "add", listener.url)
    listed = json.dumps([tell("webhook", "list"), tell("audit", "list"), tell("deliveries")])
    assert hook["secret"] not in listed
    with server.arranging():
        row = session().query(Webhook).one()
        assert hook["secret"].removeprefix("whsec_").encode() not in row.secret


def test_nothing_is_sent_to_who_was_removed(server: Server, listener: Listener, tell: Told) -> None:
    hook = tell("webhook", "add", listener.url)
    server.act(protection.confirm_compromised, server.person().username, "boss")
    with server.arranging():
        assert webhooks.queue_news() > 0
    tell("webhook", "remove", hook["id"])
    assert tell("deliver")["delivered"] == 0
    assert listener.messages == []


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_several_workers_put_each_event_into_the_outbox_once(
    database: str, request: pytest.FixtureRequest
) -> None:
    """C093, I5: the place in the log is moved by a conditional write."""
    server = request.getfixturevalue("server" if database == "sqlite" else "server_on_postgresql")
    with server.arranging():
        webhooks.add("https://siem.example/hook", ["user:created"], "test")
    people = [server.person() for _ in range(5)]

    def round_of_one(_: int) -> int:
        with server.app.app_context():
            return webhooks.queue_news()

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(_patiently(round_of_one), range(8)))
    with server.arranging():
        queued = [
            row.content["data"]["user"]["id"] for row in session().query(Delivery).filter_by(kind="webhook")
        ]
    assert sorted(queued) == sorted(person.user_id for person in people), outcomes


def _patiently(work: Any) -> Any:
    from sqlalchemy.exc import OperationalError

    def tried(number: int) -> int:
        try:
            return int(work(number))
        except OperationalError:  # the database is busy: the next round does it
            return 0

    return tried


@pytest.mark.parametrize(
    "url",
    [
        "http://siem.example/hook",
        "ftp://siem.example/hook",
        "https://user:password@siem.example/hook",
        "https://siem.example/hook#x",
        "https://",
        "hook",
    ],
)
def test_an_address_that_is_not_safe_is_refused(server: Server, url: str) -> None:
    """SR6 dangerous schemes are refused where they are named."""
    assert server.cli("webhook", "add", url).exit_code == 1


def test_private_networks_are_reached_only_where_the_operator_says_so() -> None:
    """SR6 server-side fetches: a setting names them; https is needed all the same."""
    ours = Reach(networks=(ipaddress.ip_network("10.1.0.0/16"),))
    assert not _is_allowed("10.1.2.3", PUBLIC, need_loopback=False)
    assert _is_allowed("10.1.2.3", ours, need_loopback=False)
    assert not _is_allowed("10.2.2.3", ours, need_loopback=False)
    assert not _is_allowed("10.1.2.3", ours, need_loopback=True)
    assert not _is_allowed("127.0.0.1", ours, need_loopback=False)
    with pytest.raises(SendError, match="not https"):
        post("http://10.1.2.3/", {}, "", ours)
