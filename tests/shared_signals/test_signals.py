"""Shared Signals from what happens here to the function in the application, over HTTP, by push and by poll."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask
from joserfc import jwt
from joserfc.jwk import RSAKey

from idprotect import protection, sessions, users
from idprotect import signals_receiver as receiver
from idprotect.issuer import InvalidToken
from idprotect.models import AuditEvent, Delivery, SignalStream, session
from idprotect.risk.states import RiskEvent
from idprotect.runtime import runtime
from idprotect.shared_signals import streams, telling
from idprotect.signals_receiver import Receiver, SecurityEvent
from idprotect.testing import Application, Person, Provider, running, serve

CALLBACK = "https://app.example/callback"
PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
HEADER = "Bearer agreed-upon"


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """Run a provider."""
    with running() as provider:
        yield provider


@dataclass
class Listening:
    """An application with a stream, and what it heard."""

    provider: Provider
    application: Application
    receiver: Receiver
    url: str
    heard: list[SecurityEvent] = field(default_factory=list)
    stream_id: str = ""

    @property
    def token(self) -> str:
        """An access token of its own."""
        form = {"grant_type": "client_credentials", "scope": "idprotect:signals"}
        answer = requests.post(f"{self.provider.issuer}/token", data=form, auth=self._credentials, timeout=10)
        return str(answer.json()["access_token"])

    @property
    def _credentials(self) -> tuple[str, str]:
        return self.application.client_id, self.application.client_secret or ""

    def ask(self, method: str, path: str, document: Any = None, **options: Any) -> requests.Response:
        """Call an endpoint of the transmitter."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.provider.issuer}/ssf/{path}"
        return requests.request(method, url, json=document, headers=headers, timeout=10, **options)

    def subscribe(self, method: str = PUSH, **wanted: Any) -> "Listening":
        """Make a stream."""
        delivery = {"method": method}
        if method == PUSH:
            delivery |= {"endpoint_url": self.url, "authorization_header": HEADER}
        answer = self.ask("POST", "stream", {"delivery": delivery, **wanted})
        assert answer.status_code == 201, answer.text
        self.stream_id = answer.json()["stream_id"]
        return self

    def poll(self) -> list[str]:
        """Fetch what waits; return the types."""
        events = self.receiver.poll(f"{self.provider.issuer}/ssf/poll", self.token)
        return [event.type for event in events]

    def types(self) -> list[str]:
        """Return the types of what was pushed so far."""
        self.provider.deliver()
        return [event.type for event in self.heard]

    def sign_in(self, person: Person) -> dict[str, Any]:
        """Let a person sign in to the application; return the claims of the ID token."""
        client = OAuth2Session(
            *self._credentials,
            scope="openid offline_access",
            redirect_uri=CALLBACK,
            code_challenge_method="S256",
        )
        client.trust_env = False
        url, state = client.create_authorization_url(
            f"{self.provider.issuer}/authorize", code_verifier="v" * 64
        )
        answer = client.fetch_token(
            f"{self.provider.issuer}/token",
            authorization_response=person.go(url),
            state=state,
            code_verifier="v" * 64,
        )
        return dict(jwt.decode(answer["id_token"], self.receiver.issuer.keys(), ["RS256"]).claims)


Listen = Callable[..., Listening]


@pytest.fixture
def listen(provider: Provider) -> Iterator[Listen]:
    """Return a function that registers an application, which listens."""
    with ExitStack() as stack:

        def make(**registration: Any) -> Listening:
            grants = ("authorization_code", "refresh_token", "client_credentials")
            scope = registration.pop("scope", "openid offline_access idprotect:signals")
            application = provider.application(
                redirect_uris=(CALLBACK,), grant_types=grants, scope=scope, **registration
            )
            heard: list[SecurityEvent] = []
            hears = Receiver(provider.issuer, application.client_id, authorization=HEADER)
            for name in (*KINDS, receiver.VERIFICATION):
                hears.on(name)(heard.append)
            app = Flask("application")
            app.register_blueprint(hears.blueprint(), url_prefix="/signals")
            url = stack.enter_context(serve(lambda _url: app))
            return Listening(provider, application, hears, f"{url}/signals", heard)

        yield make


KINDS = (
    receiver.SESSION_REVOKED,
    receiver.CREDENTIAL_CHANGE,
    receiver.ASSURANCE_LEVEL_CHANGE,
    receiver.RISK_LEVEL_CHANGE,
    receiver.CREDENTIAL_CHANGE_REQUIRED,
    receiver.ACCOUNT_DISABLED,
    receiver.ACCOUNT_ENABLED,
)


def test_an_application_hears_that_a_session_was_revoked(provider: Provider, listen: Listen) -> None:
    """F111, C019: pushed, signed, once, with the sub and sid of its own ID token."""
    notes, ada = listen().subscribe(), provider.person()
    claims = notes.sign_in(ada)
    ada.end_sessions()
    assert notes.types() == [receiver.SESSION_REVOKED]
    event = notes.heard[0]
    assert (event.sub, event.sid) == (claims["sub"], claims["sid"])
    assert event.members["reason_admin"] == {"en": "ended by an administrator"}
    assert event.members["event_timestamp"] == pytest.approx(event.claims["iat"], abs=60)
    assert event.claims["aud"] == notes.application.client_id
    assert not {"sub", "exp"} & event.claims.keys()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (lambda ada: ada.act(protection.confirm_compromised, "boss", "phished"), "ended by an administrator"),
        (lambda ada: ada.act(users.set_temporary_password, "boss"), "ended by an administrator"),
        (lambda ada: ada.act(lambda user: _end(user.id, RiskEvent.USER_REPORTED)), "ended by the user"),
        (lambda ada: ada.act(lambda user: _end(user.id, "signed_out")), "ended by the user"),
        (lambda ada: ada.act(lambda user: _end(user.id, sessions.EXPIRED)), "expired"),
        (lambda ada: ada.act(lambda user: _end(user.id, "cookie came from elsewhere")), "ended by a policy"),
    ],
)
def test_why_a_session_ended_is_not_told(
    provider: Provider, listen: Listen, end: Callable[[Person], Any], words: str
) -> None:
    """C019: risk is for who may hear of it: others learn who ended the session."""
    notes, ada = listen().subscribe(), provider.person()
    notes.sign_in(ada)
    end(ada)
    notes.types()
    (event,) = [event for event in notes.heard if event.type == receiver.SESSION_REVOKED]
    assert event.members["reason_admin"] == {"en": words}


def _end(user_id: str, reason: str) -> None:
    sessions.end_all(user_id, reason, actor="test")


def test_pairwise_applications_hear_their_own_subject(provider: Provider, listen: Listen) -> None:
    """D06: nobody can compare what two applications hear."""
    notes, ada = listen(subject_type="pairwise").subscribe(), provider.person()
    claims = notes.sign_in(ada)
    ada.end_sessions()
    assert notes.types() == [receiver.SESSION_REVOKED]
    assert notes.heard[0].sub == claims["sub"] != ada.id
    assert notes.heard[0].sid == claims["sid"]


Act = Callable[[Person], Any]
HAPPENINGS: list[tuple[str, Act, dict[str, Any]]] = [
    (
        receiver.RISK_LEVEL_CHANGE,
        lambda ada: ada.set_risk("high"),
        {"principal": "USER", "current_level": "HIGH", "previous_level": "LOW"},
    ),
    (
        receiver.CREDENTIAL_CHANGE,
        lambda ada: ada.act(users.password_changed, None, secure=False),
        {"credential_type": "password", "change_type": "update"},
    ),
    (receiver.CREDENTIAL_CHANGE_REQUIRED, lambda ada: ada.act(users.set_temporary_password, "admin"), {}),
    (receiver.ACCOUNT_DISABLED, lambda ada: ada.act(users.set_enabled, False, "admin"), {}),
    (receiver.ACCOUNT_ENABLED, lambda ada: ada.act(users.set_enabled, True, "admin"), {}),
]


@pytest.mark.parametrize(("name", "act", "members"), HAPPENINGS)
@pytest.mark.parametrize("method", [PUSH, POLL])
def test_an_application_hears_what_happens(
    provider: Provider, listen: Listen, name: str, act: Act, members: dict[str, Any], method: str
) -> None:
    """C018, C019, D06: CAEP and RISC, by push and by poll."""
    notes, ada = listen(release_risk=True).subscribe(method), provider.person()
    notes.sign_in(ada)
    act(ada)
    assert name in (notes.types() if method == PUSH else notes.poll())
    event = next(event for event in notes.heard if event.type == name)
    assert event.sub == ada.id
    assert event.sid is None
    assert members.items() <= event.members.items()
    if method == POLL:
        assert notes.poll() == [], "what was taken does not come again"


def test_a_step_up_is_told_once(provider: Provider, listen: Listen) -> None:
    """C019: assurance-level-change for the session that rose."""
    notes, ada = listen().subscribe(), provider.person(second_factor=True)
    claims = notes.sign_in(ada)
    provider.set_policies('[[policy]]\nname = "mfa"\nstate = "on"\nthen = { require = ["mfa"] }')
    try:
        assert notes.sign_in(ada)["acr"] == "aal2"
        notes.sign_in(ada)
    finally:
        provider.set_policies("")
    assert notes.types() == [receiver.ASSURANCE_LEVEL_CHANGE]
    assert notes.heard[0].sid == claims["sid"]
    assert notes.heard[0].members["current_level"] == "nist-aal2"


def test_nobody_hears_of_strangers(provider: Provider, listen: Listen) -> None:
    """C018: of people who never signed in to an application it hears nothing, nor of their sessions elsewhere."""
    notes, other = listen(release_risk=True).subscribe(), listen().subscribe()
    stranger, ada = provider.person(), provider.person()
    other.sign_in(stranger)
    notes.sign_in(ada)
    stranger.set_risk("high")
    stranger.lock_down()
    assert notes.types() == []
    assert receiver.ACCOUNT_DISABLED in other.types()
    assert receiver.RISK_LEVEL_CHANGE not in other.types(), "it is not registered to hear of risk"


def test_what_was_not_taken_comes_again(provider: Provider, listen: Listen) -> None:
    """C018: a push is tried again with the same jti, and a function that raised is called again."""
    notes, ada = listen().subscribe(), provider.person()
    notes.sign_in(ada)
    tries: list[str] = []

    @notes.receiver.on(receiver.SESSION_REVOKED)
    def fail_once(event: SecurityEvent) -> None:
        tries.append(event.id)
        if len(tries) == 1:
            raise RuntimeError("our database is away")

    ada.end_sessions()
    assert len(tries) == 1
    with provider.later(minutes=1):
        provider.deliver()
    with provider.later(minutes=2):
        provider.deliver()
    assert len(tries) == 2
    assert len(set(tries)) == 1


def test_a_stream_is_made_read_changed_and_deleted(listen: Listen) -> None:
    """C018: SSF 8.1.1; one for each application."""
    notes = listen().subscribe(events_requested=[receiver.SESSION_REVOKED, "https://other.example/event"])
    named = {"params": {"stream_id": notes.stream_id}}
    told = notes.ask("GET", "stream", **named).json()
    assert told["events_delivered"] == [receiver.SESSION_REVOKED]
    assert told["aud"] == notes.application.client_id
    assert "authorization_header" not in told["delivery"]
    assert notes.ask("GET", "stream").json() == [told]
    assert notes.ask("POST", "stream", {}).status_code == 409
    changed = notes.ask("PATCH", "stream", {"stream_id": notes.stream_id, "description": "for Notes"})
    assert changed.json() == {**told, "description": "for Notes"}
    replaced = notes.ask("PUT", "stream", {"stream_id": notes.stream_id, "delivery": {"method": POLL}})
    assert replaced.json()["delivery"]["method"] == POLL
    assert replaced.json()["events_delivered"] == []
    assert notes.ask("DELETE", "stream", **named).status_code == 204
    assert notes.ask("GET", "stream", **named).status_code == 404
    assert notes.ask("GET", "stream").json() == []


def test_what_an_application_does_to_its_stream_is_written_down(provider: Provider, listen: Listen) -> None:
    """C018, F103: who, and how it stood before and after; not the header."""
    notes, ada = listen().subscribe(events_requested=[receiver.SESSION_REVOKED]), provider.person()
    its = {"stream_id": notes.stream_id}
    notes.ask("PATCH", "stream", {**its, "delivery": {"method": POLL}})
    notes.ask("POST", "status", {**its, "status": "paused", "reason": "holidays"})
    subject = {"format": "iss_sub", "iss": provider.issuer, "sub": ada.id}
    notes.ask("POST", "subjects/remove", {**its, "subject": subject})
    notes.ask("POST", "subjects/add", {**its, "subject": subject})
    notes.ask("POST", "status", {**its, "status": "asleep"})
    notes.ask("DELETE", "stream", params=its)
    with provider.arranging():
        rows = session().query(AuditEvent).filter_by(name="stream:changed").order_by(AuditEvent.at).all()
        rows = [row for row in rows if row.client_id == notes.application.client_id]
        assert {row.actor for row in rows} == {f"client:{notes.application.client_id}"}
        changes = [row.details["change"] for row in rows]
        created, configured, paused, removed, added, deleted = rows
        assert HEADER not in str([row.details for row in rows])
    assert changes == ["created", "configured", "status set", "subject removed", "subject added", "deleted"]
    pushed = {
        "method": PUSH,
        "endpoint_url": notes.url,
        "has_authorization_header": True,
        "status": "enabled",
        "reason": None,
        "events": [receiver.SESSION_REVOKED],
    }
    polled = {**pushed, "method": POLL, "endpoint_url": None, "has_authorization_header": False}
    assert created.details["after"] == configured.details["before"] == pushed
    assert configured.details["after"] == paused.details["before"] == polled
    assert deleted.details["before"] == {**polled, "status": "paused", "reason": "holidays"}
    assert removed.user_id == added.user_id == ada.id


def test_of_two_streams_at_the_same_moment_one_is_made(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C018: SSF 8.1.1.1: 409 also for who did not see the other one yet."""
    notes = listen().subscribe()
    with monkeypatch.context() as moment:
        moment.setattr(streams, "of", lambda _client: None)
        assert notes.ask("POST", "stream", {}).status_code == 409
    assert [one["stream_id"] for one in notes.ask("GET", "stream").json()] == [notes.stream_id]


def test_a_header_is_sent_to_its_own_stream_alone(provider: Provider, listen: Listen) -> None:
    """C018: it is encrypted for its row: copied into another's, nothing is sent with it."""
    notes, other, ada = listen().subscribe(), listen().subscribe(), provider.person()
    with provider.app.app_context():
        mine, others = (session().get_one(SignalStream, one.stream_id) for one in (notes, other))
        mine.authorization = others.authorization
        session().commit()
    notes.sign_in(ada)
    ada.end_sessions()
    assert notes.types() == []


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        "x",
        {"delivery": None},
        {"delivery": {"method": "urn:other"}},
        {"delivery": {"method": PUSH}},
        {"delivery": {"method": PUSH, "endpoint_url": "http://app.example/x"}},
        {"delivery": {"method": PUSH, "endpoint_url": 7}},
        {
            "delivery": {
                "method": PUSH,
                "endpoint_url": "https://a.example/",
                "authorization_header": "a\nb: c",
            }
        },
        {"events_requested": "all"},
        {"events_requested": [1]},
        {"description": "x" * 2000},
        {"description": "\0"},
        {"description": "\ud800"},
        {"events_requested": ["\ud800"]},
    ],
)
def test_a_stream_that_cannot_be_is_refused(listen: Listen, wanted: Any) -> None:
    """C018: 400 with the reason, and nothing is made."""
    notes = listen()
    answer = notes.ask("POST", "stream", wanted)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]
    assert notes.ask("GET", "stream").json() == []


def test_a_stream_can_be_paused_and_disabled(provider: Provider, listen: Listen) -> None:
    """C018: SSF 8.1.2: held while it is paused, lost while it is disabled."""
    notes, ada = listen().subscribe(), provider.person()

    def set_status(status: str) -> None:
        wanted = {"stream_id": notes.stream_id, "status": status, "reason": "holidays"}
        answer = notes.ask("POST", "status", wanted)
        assert answer.json() == wanted
        named = {"params": {"stream_id": notes.stream_id}}
        assert notes.ask("GET", "status", **named).json() == wanted

    notes.sign_in(ada)
    set_status("paused")
    ada.act(users.password_changed, None, secure=False)
    assert notes.types() == []
    set_status("enabled")
    assert notes.types() == [receiver.CREDENTIAL_CHANGE]
    set_status("disabled")
    ada.act(users.password_changed, None, secure=False)
    set_status("enabled")
    assert len(notes.types()) == 1
    bad = notes.ask("POST", "status", {"stream_id": notes.stream_id, "status": "asleep"})
    assert bad.status_code == 400


def _refused_push(notes: Listening, ada: Person) -> None:
    """Let one event wait that the application could not take just now."""
    notes.sign_in(ada)
    tries: list[str] = []

    @notes.receiver.on(receiver.SESSION_REVOKED)
    def refuse_once(event: SecurityEvent) -> None:
        tries.append(event.id)
        if len(tries) == 1:
            notes.heard.clear()
            raise RuntimeError("our database is away")

    ada.end_sessions()
    assert len(tries) == 1


def test_what_waits_is_held_while_a_stream_is_paused(provider: Provider, listen: Listen) -> None:
    """C018: SSF 8.1.2: also what was to be tried again, for as long as it is kept."""
    notes, ada = listen().subscribe(), provider.person()
    _refused_push(notes, ada)
    notes.ask("POST", "status", {"stream_id": notes.stream_id, "status": "paused"})
    with provider.later(hours=12):
        assert notes.types() == []
        notes.ask("POST", "status", {"stream_id": notes.stream_id, "status": "enabled"})
        assert notes.types() == [receiver.SESSION_REVOKED]


def test_what_is_held_is_not_kept_for_ever(provider: Provider, listen: Listen) -> None:
    """C018: nobody hears after eight days."""
    notes, ada = listen().subscribe(), provider.person()
    _refused_push(notes, ada)
    notes.ask("POST", "status", {"stream_id": notes.stream_id, "status": "paused"})
    with provider.later(days=8):
        assert notes.types() == []
        notes.ask("POST", "status", {"stream_id": notes.stream_id, "status": "enabled"})
        assert notes.types() == []


def test_a_pause_at_the_moment_of_a_push_loses_nothing(provider: Provider, listen: Listen) -> None:
    """C018: a worker that comes to a paused stream puts the event back, and counts no try."""
    notes, ada = listen().subscribe(), provider.person()
    _refused_push(notes, ada)
    with provider.app.app_context():
        session().query(SignalStream).filter_by(id=notes.stream_id).update({"status": "paused"})
        session().commit()
    with provider.later(minutes=1):
        assert notes.types() == []
    with provider.arranging():
        (row,) = session().query(Delivery).filter_by(recipient=notes.stream_id)
        assert (row.state, row.tries) == ("waiting", 1)
    notes.ask("POST", "status", {"stream_id": notes.stream_id, "status": "enabled"})
    assert notes.types() == [receiver.SESSION_REVOKED]


def test_what_waits_goes_along_to_another_delivery(provider: Provider, listen: Listen) -> None:
    """C018: from push to poll and back."""
    notes, ada = listen().subscribe(), provider.person()
    _refused_push(notes, ada)
    notes.ask("PATCH", "stream", {"stream_id": notes.stream_id, "delivery": {"method": POLL}})
    with provider.later(hours=12):
        assert notes.types() == []
        assert notes.poll() == [receiver.SESSION_REVOKED]
    ada.act(users.set_enabled, False, "admin")
    assert len(notes.types()) == 1
    pushed = {"method": PUSH, "endpoint_url": notes.url, "authorization_header": HEADER}
    notes.ask("PATCH", "stream", {"stream_id": notes.stream_id, "delivery": pushed})
    assert notes.types() == [receiver.SESSION_REVOKED, receiver.ACCOUNT_DISABLED]


def test_a_person_can_be_removed_and_added(provider: Provider, listen: Listen) -> None:
    """C018: SSF 8.1.3: everybody by default."""
    notes, ada = listen().subscribe(), provider.person()
    notes.sign_in(ada)
    subject = {"format": "iss_sub", "iss": provider.issuer, "sub": ada.id}
    wanted = {"stream_id": notes.stream_id, "subject": subject}
    assert notes.ask("POST", "subjects/remove", wanted).status_code == 204
    ada.act(users.password_changed, None, secure=False)
    assert notes.types() == []
    assert notes.ask("POST", "subjects/add", wanted).status_code == 200
    ada.act(users.password_changed, None, secure=False)
    assert notes.types() == [receiver.CREDENTIAL_CHANGE]
    for bad in (None, {}, {**subject, "iss": "https://other.example"}, {**subject, "format": "email"}):
        answer = notes.ask("POST", "subjects/add", {**wanted, "subject": bad})
        assert answer.status_code == 400, answer.text


def test_a_stream_is_verified_on_demand(listen: Listen) -> None:
    """C018: SSF 8.1.4: the state comes back in an event."""
    notes = listen().subscribe()
    wanted = {"stream_id": notes.stream_id, "state": "a state"}
    assert notes.ask("POST", "verification", wanted).status_code == 204
    assert notes.types() == [receiver.VERIFICATION]
    assert notes.heard[0].members == {"state": "a state"}
    assert notes.heard[0].sub is None


def test_verifications_have_their_interval(provider: Provider, listen: Listen) -> None:
    """C018: SSF 8.1.1: 429 before min_verification_interval has gone by, and nothing is sent."""
    notes = listen().subscribe()
    wanted = {"stream_id": notes.stream_id}
    assert notes.ask("POST", "verification", wanted).status_code == 204
    refused = notes.ask("POST", "verification", wanted)
    told = notes.ask("GET", "stream").json()[0]["min_verification_interval"]
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(told))
    with provider.later(seconds=told):
        assert notes.ask("POST", "verification", wanted).status_code == 204
        assert notes.types() == [receiver.VERIFICATION] * 2


def test_a_stream_that_nobody_fetches_does_not_grow_for_ever(
    provider: Provider, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C018: what is beyond the limit is not told; what waits, is, and then there is room again."""
    monkeypatch.setattr(telling, "MOST_WAITING", 2)
    notes, ada = listen().subscribe(POLL), provider.person()
    notes.sign_in(ada)
    for enabled in (False, True, False):
        ada.act(users.set_enabled, enabled, "admin")
    assert len(notes.poll()) == 2
    ada.act(users.set_enabled, True, "admin")
    assert notes.poll() == [receiver.ACCOUNT_ENABLED]


@pytest.mark.parametrize("text", ["\ud800", "\0", "\n", "x" * 2000, 7])
def test_what_cannot_be_written_is_refused(provider: Provider, listen: Listen, text: Any) -> None:
    """C018: 400, and nothing waits that could not be signed."""
    notes = listen().subscribe()
    assert notes.ask("POST", "verification", {"stream_id": notes.stream_id, "state": text}).status_code == 400
    paused = {"stream_id": notes.stream_id, "status": "paused", "reason": text}
    assert notes.ask("POST", "status", paused).status_code == 400
    named = {"params": {"stream_id": notes.stream_id}}
    assert notes.ask("GET", "status", **named).json()["status"] == "enabled"
    assert notes.types() == []


def test_metadata_tells_where_everything_is(provider: Provider) -> None:
    """C018: SSF 7.1."""
    told = requests.get(f"{provider.issuer}/.well-known/ssf-configuration", timeout=10).json()
    assert told["issuer"] == provider.issuer
    assert told["delivery_methods_supported"] == [PUSH, POLL]
    assert told["default_subjects"] == "ALL"


def test_only_an_application_that_may_has_a_stream(provider: Provider, listen: Listen) -> None:
    """C018: a token of its own, for this scope; and another's stream does not exist for it."""
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic x"}):
        answer = requests.get(f"{provider.issuer}/ssf/stream", headers=headers, timeout=10)
        assert answer.status_code == 401
    notes, other = listen().subscribe(), listen()
    named = {"params": {"stream_id": notes.stream_id}}
    assert other.ask("GET", "stream", **named).status_code == 404
    assert other.ask("DELETE", "stream", **named).status_code == 404
    assert other.ask("POST", "poll", {}).status_code == 404
    plain = listen(scope="openid idprotect:findings idprotect:signals")
    form = {"grant_type": "client_credentials", "scope": "idprotect:findings"}
    credentials = (plain.application.client_id, plain.application.client_secret or "")
    token = requests.post(f"{provider.issuer}/token", data=form, auth=credentials, timeout=10).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert requests.get(f"{provider.issuer}/ssf/stream", headers=headers, timeout=10).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"[]",
        b'{"ack": 1}',
        b'{"ack": [1]}',
        b'{"ack": ["\\ud800"]}',
        b'{"setErrs": {"\\ud800": {}}}',
        b'{"maxEvents": "x"}',
        b'{"setErrs": []}',
    ],
)
def test_a_poll_that_cannot_be_understood(listen: Listen, body: bytes) -> None:
    """C018: 400, and nothing is taken."""
    notes = listen().subscribe(POLL)
    headers = {"Authorization": f"Bearer {notes.token}"}
    answer = requests.post(f"{notes.provider.issuer}/ssf/poll", data=body, headers=headers, timeout=10)
    assert answer.status_code == 400


def test_an_event_and_what_it_tells_are_one_transaction(provider: Provider, listen: Listen) -> None:
    """C018: what is rolled back is told to nobody."""
    notes, ada = listen().subscribe(), provider.person()
    notes.sign_in(ada)
    with provider.app.app_context():
        users.set_enabled(users.get(ada.username), False, "admin")
        assert session().query(Delivery).filter_by(recipient=notes.stream_id).count() > 0
        session().rollback()
    assert notes.types() == []


# The receiver


@pytest.mark.parametrize("wrong", ["typ", "aud", "iss", "key", "exp", "events", "jti", "alg", "none"])
def test_a_receiver_believes_its_issuer_alone(provider: Provider, listen: Listen, wrong: str) -> None:
    """D06: RFC 8417 section 4: an ID token or a logout token is no event, nor is what somebody else signed."""
    notes = listen()
    with provider.arranging():
        key = runtime().keys.signing_key()
    header: dict[str, Any] = {"alg": "RS256", "typ": "secevent+jwt", "kid": key.kid}
    claims: dict[str, Any] = {
        "iss": provider.issuer,
        "aud": notes.application.client_id,
        "jti": "j1",
        "events": {receiver.ACCOUNT_DISABLED: {}},
    }
    assert notes.receiver.receive(jwt.encode(header, {**claims, "jti": "j0"}, key))
    match wrong:
        case "typ":
            header["typ"] = "logout+jwt"
        case "aud" | "iss":
            claims[wrong] = "https://other.example"
        case "key":
            key = RSAKey.generate_key(2048)
        case "exp":
            claims["exp"] = 2**33
        case "events" | "jti":
            del claims[wrong]
        case "alg":
            token = jwt.encode({**header, "alg": "PS256"}, claims, RSAKey.generate_key(2048), ["PS256"])
    if wrong == "none":
        token = "e30.e30."
    elif wrong != "alg":
        token = jwt.encode(header, claims, key)
    with pytest.raises(InvalidToken):
        notes.receiver.receive(token)
    pushed = requests.post(notes.url, data=token, headers={"Authorization": HEADER}, timeout=10)
    assert (pushed.status_code, pushed.json()["err"]) == (400, "invalid_request")
    assert len(notes.heard) == 1


def test_a_receiver_takes_events_from_whom_it_agreed_with(provider: Provider, listen: Listen) -> None:
    """D06: RFC 8935: another Authorization header is refused before anything is looked at."""
    notes = listen()
    answer = requests.post(notes.url, data="x", headers={"Authorization": "Bearer other"}, timeout=10)
    assert (answer.status_code, answer.json()["err"]) == (400, "authentication_failed")


def test_an_event_that_comes_twice_is_handled_once(provider: Provider, listen: Listen) -> None:
    """D06: the second is taken, and nothing happens."""
    notes = listen()
    with provider.arranging():
        key = runtime().keys.signing_key()
    claims = {
        "iss": provider.issuer,
        "aud": notes.application.client_id,
        "jti": "j",
        "events": {KINDS[0]: {}},
    }
    token = jwt.encode({"alg": "RS256", "typ": "secevent+jwt", "kid": key.kid}, claims, key)
    for _ in range(2):
        assert (
            requests.post(notes.url, data=token, headers={"Authorization": HEADER}, timeout=10).status_code
            == 202
        )
    assert len(notes.heard) == 1
