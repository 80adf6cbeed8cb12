"""What a server does with security events of others, over HTTP: verified, once, capped, and like any other risk."""

from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from idprotect import event_types
from idprotect.event_types import RISK_LEVEL_CHANGE, SESSION_REVOKED
from idprotect.models import AuditEvent, session
from idprotect.senders import outgoing
from idprotect.signal_sources import tokens
from idprotect.testing import Person, Provider
from tests.signal_sources.conftest import Listen, Source, detections_of, ours, risk_of

OTHER_KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})


def test_an_event_raises_a_detection(provider: Provider, source: Source) -> None:
    """C020: a fact for the engine like any other: level, reasons with values, ledger, audit log."""
    ada = provider.person()
    members = {"principal": "USER", "current_level": "HIGH", "reason_admin": {"en": "malware on the laptop"}}
    assert source.tell(ada, RISK_LEVEL_CHANGE, members) == "raised"
    (found,) = detections_of(ada)
    assert (found.name, found.level, found.about, found.timing) == ("shared_signal", 3, "user", "offline")
    name = source.row().name
    assert found.reasons == [
        f"{name} tells: risk-level-change, HIGH",
        f"{name} says why: malware on the laptop",
    ]
    assert found.evidence == {
        "source": name,
        "event": "risk-level-change",
        "principal": "USER",
        "current_level": "HIGH",
        "reason_admin": "malware on the laptop",
    }
    assert risk_of(ada) == "high"
    with provider.app.app_context():
        written = session().query(AuditEvent).filter_by(user_id=ada.id, name="risk:detected").one()
        assert written.actor == f"signal-source:{name}"


Change = dict[str, Any]
REFUSED: list[tuple[str, Change, Change, str]] = [
    ("another's key", {}, {"key": OTHER_KEY}, "invalid_key"),
    ("a key that is not there", {}, {"kid": "two"}, "invalid_key"),
    ("a shared secret", {}, {"alg": "HS256", "key": OctKey.import_key("x" * 64)}, "invalid_key"),
    ("an ID token", {}, {"typ": "JWT"}, "invalid_request"),
    ("no type", {}, {"typ": None}, "invalid_request"),
    ("what must be understood", {}, {"crit": ["b64"], "b64": False}, "invalid_key"),
    ("another issuer", {"iss": "https://other.example"}, {}, "invalid_issuer"),
    ("no issuer", {"iss": None}, {}, "invalid_issuer"),
    ("for somebody else", {"aud": ["https://other.example"]}, {}, "invalid_audience"),
    ("for nobody", {"aud": None}, {}, "invalid_audience"),
    ("from the future", {"iat": 4102444800}, {}, "invalid_request"),
    ("too old", {"iat": 1000000000}, {}, "invalid_request"),
    ("without a time", {"iat": None}, {}, "invalid_request"),
    ("at a word", {"iat": True}, {}, "invalid_request"),
    ("with an end", {"exp": 4102444800}, {}, "invalid_request"),
    ("without a jti", {"jti": None}, {}, "invalid_request"),
    ("with a long jti", {"jti": "j" * 256}, {}, "invalid_request"),
    ("with an odd jti", {"jti": "a\0b"}, {}, "invalid_request"),
    ("without a subject", {"sub_id": None}, {}, "invalid_request"),
    ("without events", {"events": {}}, {}, "invalid_request"),
    ("with a list of events", {"events": []}, {}, "invalid_request"),
    ("with an event that is none", {"events": {RISK_LEVEL_CHANGE: "HIGH"}}, {}, "invalid_request"),
]


@pytest.mark.parametrize(("what", "claims", "signing", "error"), REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_not_the_source_s_is_refused(
    provider: Provider, source: Source, what: str, claims: Change, signing: Change, error: str
) -> None:
    """C020, section 6: fixed algorithms, the keys of this source alone, iss, aud, iat, jti, no exp; err of RFC 8935."""
    ada = provider.person()
    told = {**source.transmitter.claims(ours(provider, ada)), **claims}
    told = {name: value for name, value in told.items() if value is not None}
    answer = source.push(source.transmitter.sign(told, **signing))
    assert (answer.status_code, answer.json()["err"]) == (400, error), answer.text
    assert answer.json()["description"]
    assert answer.headers["Content-Type"] == "application/json"
    assert risk_of(ada) == "none"
    assert source.outcomes() == {}
    assert source.row().failed_why.startswith(error)
    with provider.app.app_context():
        refused = session().query(AuditEvent).filter_by(name="signal_source:refused").all()
        assert source.id in [row.details["source"] for row in refused]


def test_an_unsigned_token_is_refused(provider: Provider, source: Source) -> None:
    """C020, section 6: ``none`` is no algorithm."""
    signed = source.transmitter.sign(source.transmitter.claims(ours(provider, provider.person())))
    header = "eyJhbGciOiJub25lIiwidHlwIjoic2VjZXZlbnQrand0In0"
    for token in (f"{header}.{signed.split('.')[1]}.", "", "a.b.c", "a" * 5000, "\u00e9", b"\xff\xfe\0"):
        answer = source.push(token if isinstance(token, bytes) else token.encode())
        assert answer.status_code == 400, token
        assert answer.json()["err"] in ("invalid_request", "invalid_key"), token
    assert source.outcomes() == {}
    answer = source.push(b"a" * 40_000)
    assert (answer.status_code, answer.json()["err"]) == (413, "invalid_request")


def test_whoever_has_not_its_token_is_no_source(provider: Provider, source: Source, listen: Listen) -> None:
    """C020, I9: a wrong token, another source's, none, and an address that is not there answer alike."""
    other, ada = listen(provider), provider.person()
    token = source.transmitter.sign(source.transmitter.claims(ours(provider, ada)))
    wrong = [
        {"Authorization": None},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {other.token}"},
        {"Authorization": f"Basic {source.token}"},
        {"Authorization": source.token},
    ]
    answers = [source.push(token, **headers) for headers in wrong]
    source.id = "0" * 32
    answers.append(source.push(token))
    assert {(one.status_code, one.content) for one in answers} == {(400, answers[0].content)}
    assert answers[0].json()["err"] == "authentication_failed"
    assert risk_of(ada) == "none"


def test_what_a_source_signed_is_no_other_source_s(
    provider: Provider, source: Source, listen: Listen
) -> None:
    """C020: each by its own keys, also when it calls itself by the other's name."""
    other, ada = listen(provider), provider.person()
    claims = {**source.transmitter.claims(ours(provider, ada)), "iss": other.transmitter.url}
    assert other.push(source.transmitter.sign(claims)).json()["err"] == "invalid_key"
    assert source.push(source.transmitter.sign(claims)).json()["err"] == "invalid_issuer"


def test_a_body_of_another_kind_is_refused(provider: Provider, source: Source) -> None:
    """RFC 8935 section 2.1."""
    token = source.transmitter.sign(source.transmitter.claims(ours(provider, provider.person())))
    assert source.push(token, Content_Type="application/json").json()["err"] == "invalid_request"
    assert source.outcomes() == {}


def test_keys_that_cannot_be_had_are_asked_for_later(provider: Provider, source: Source) -> None:
    """C020, I3: 503, so that the transmitter sends it again; nothing is believed meanwhile."""
    ada = provider.person()
    source.transmitter.is_away = True
    token = source.transmitter.sign(source.transmitter.claims(ours(provider, ada)))
    answer = source.push(token)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert risk_of(ada) == "none"
    source.transmitter.is_away = False
    with provider.later(minutes=2):
        assert source.push(token).status_code == 202
    assert risk_of(ada) == "high"


def test_keys_are_fetched_from_public_addresses_alone(
    provider: Provider, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C020, section 6: an address within our own network is not asked, whatever was typed as jwks_uri."""
    monkeypatch.setattr(tokens, "reach", lambda: outgoing.PUBLIC)
    ada = provider.person()
    answer = source.push(source.transmitter.sign(source.transmitter.claims(ours(provider, ada))))
    assert answer.status_code == 503
    assert risk_of(ada) == "none"


def test_an_event_counts_once(provider: Provider, source: Source) -> None:
    """C020: the same jti again is taken, and does nothing; also when the first was undone meanwhile."""
    ada = provider.person()
    token = source.transmitter.sign(source.transmitter.claims(ours(provider, ada)))
    assert source.push(token).status_code == 202
    ada.set_risk("none")
    assert source.push(token).status_code == 202
    assert risk_of(ada) == "none"
    assert len(detections_of(ada)) == 1


def test_what_is_said_again_is_no_second_finding(provider: Provider, source: Source) -> None:
    """C020: while it is open; what is worse, or another event, is one."""
    ada = provider.person()
    medium = {"principal": "USER", "current_level": "MEDIUM"}
    assert source.tell(ada, RISK_LEVEL_CHANGE, medium) == "raised"
    assert source.tell(ada, RISK_LEVEL_CHANGE, medium) == "noted"
    assert source.tell(ada) == "raised"
    assert source.tell(ada, RISK_LEVEL_CHANGE, medium) == "noted"
    assert source.tell(ada, event_types.CREDENTIAL_COMPROMISE, {"credential_type": "password"}) == "raised"
    assert [row.level for row in detections_of(ada)] == [2, 3, 3]


def test_risk_that_falls_elsewhere_does_not_fall_here(provider: Provider, source: Source) -> None:
    """C020, I8: what others think better of lowers nothing here."""
    ada = provider.person(risk="high")
    assert source.tell(ada, RISK_LEVEL_CHANGE, {"principal": "USER", "current_level": "LOW"}) == "noted"
    assert source.tell(ada, event_types.ACCOUNT_ENABLED, {}) == "not_listened"
    assert risk_of(ada) == "high"


def test_nobody_learns_who_has_an_account(provider: Provider, source: Source) -> None:
    """C020, I9: strangers are taken like anybody, and of them nothing is kept but that something came."""
    strangers = (
        {"format": "email", "email": "stranger@example.org"},
        {"format": "iss_sub", "iss": source.transmitter.url, "sub": "stranger"},
        {"format": "opaque", "id": "stranger"},
        {"format": "odd"},
        {},
    )
    assert {source.tell(stranger) for stranger in strangers} == {"not_ours"}


def test_events_that_are_not_known_are_taken_and_counted(provider: Provider, source: Source) -> None:
    """C020: new types come; the source goes on, and its page says how many."""
    ada = provider.person()
    assert source.tell(ada, "https://schemas.example/event-type/new", {"a": [1]}) == "unknown_event"
    assert source.tell(ada, SESSION_REVOKED, {}) == "not_listened"
    assert risk_of(ada) == "none"


def test_a_source_raises_no_more_than_its_cap(provider: Provider, listen: Listen) -> None:
    """C020: and the reasons say what it wanted."""
    source, ada = listen(provider, level_cap="medium"), provider.person()
    assert source.tell(ada) == "raised"
    assert risk_of(ada) == "medium"
    assert "counted as medium, not high: more this source may not raise" in detections_of(ada)[0].reasons


def test_a_revoked_session_ends_the_person_s_sessions(provider: Provider, listen: Listen) -> None:
    """C020, F107: by the one event that ends sessions, with a reason of its own; only where it is listened to."""
    source, ada = listen(provider, events=(SESSION_REVOKED,)), provider.person()
    application = provider.application(redirect_uris=("https://app.example/callback",))
    sign_in(provider, application.client_id, ada)
    assert is_signed_in(ada)
    assert source.tell(ada, SESSION_REVOKED, {"initiating_entity": "user"}) == "sessions_ended"
    assert not is_signed_in(ada)
    assert risk_of(ada) == "none"
    assert source.tell(ada, SESSION_REVOKED, {"initiating_entity": "admin"}) == "raised"
    assert risk_of(ada) == "low"
    with provider.app.app_context():
        ended = session().query(AuditEvent).filter_by(user_id=ada.id, name="sessions:revoked").all()
        assert [row.details["reason"] for row in ended] == ["signalled", "signalled"]


def sign_in(provider: Provider, client_id: str, person: Person) -> str:
    """Let a person sign in to an application; return where the browser is sent."""
    url = (
        f"{provider.issuer}/authorize?response_type=code&client_id={client_id}&scope=openid&state=s"
        "&redirect_uri=https://app.example/callback&code_challenge_method=S256"
        "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )
    return person.go(url)


def is_signed_in(person: Person) -> bool:
    """Whether the browser of a person has a session."""
    return bool(person.browser.get("/account").path == "/account")
