"""C016, clients that nobody registered: their id is the URL of the document that says what they are."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier, Event
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from idprotect import audit, client_errors, clients, retention
from idprotect.errors import InteractionError
from idprotect.models import AuditEvent, Client, ClientDocument, Consent, session
from idprotect.oidc import metadata_documents
from idprotect.oidc.document_clients import MOST_OF_URL
from idprotect.oidc.explanations import explain
from idprotect.runtime import runtime
from tests.api.test_api import Caller
from tests.oidc.conftest import POLICIES
from tests.oidc.server import FOREIGN, Application, Person, Server, error_of, running
from tests.oidc.signing import (
    KEY,
    STRANGER,
    assertion_claims,
    presented,
    public,
    request_object,
    sign,
)
from tests.oidc.test_private_key_jwt import JSON
from tests.support.documents import Shelf, documents
from tests.support.world import USER_RISK_POLICY

LOOPBACK = "http://127.0.0.1/callback"
RESOURCE = "https://mcp.example/tools"
ON = {
    "IDPROTECT_CLIENT_ID_METADATA_DOCUMENTS": True,
    "IDPROTECT_CLIENT_DOCUMENTS_PER_ADDRESS": 10**6,
    "IDPROTECT_CLIENT_DOCUMENT_RESOURCES": (RESOURCE,),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
    """A server that takes the URL of a document for a client id."""
    with running(tmp_path_factory.mktemp("documents"), keys, **ON) as server:
        server.apply(USER_RISK_POLICY, POLICIES)
        yield server


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """All documents of these tests are of one host."""
    monkeypatch.setattr("idprotect.oidc.document_clients.MOST_OF_HOST", 10**6)


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """Where documents are."""
    with documents() as opened:
        yield opened


class Agent(Application):
    """A client that is known by its document alone."""

    def __init__(self, server: Server, shelf: Shelf, **changes: Any) -> None:
        self.shelf, self.path = shelf, f"/{secrets.token_hex(4)}/client.json"
        uri = next(iter(changes.get("redirect_uris", [LOOPBACK]) or ()), "")
        method = changes.get("token_endpoint_auth_method", "none")
        super().__init__(server, shelf.url + self.path, "", method, uri)
        self.document = {
            "client_id": self.id,
            "client_name": "An agent",
            "redirect_uris": [LOOPBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }
        self.say(**changes)

    def say(self, **changes: Any) -> None:
        """Change the document; None leaves a member out."""
        self.document = {k: v for k, v in {**self.document, **changes}.items() if v is not None}
        self.serve()

    def serve(self, **more: Any) -> None:
        """Put the document where it is, in some other way."""
        self.shelf.put(self.path, self.document, **more)

    @property
    def asked(self) -> int:
        """How often the document was fetched."""
        return self.shelf.asked.count(self.path)

    def allowed(self, person: Person, **changes: str | None) -> str:
        """Let a person sign in and allow it; return the code."""
        person.go(self.url(**changes))
        if person.step == "sign_in":
            person.sign_in()
        assert person.step == "consent", person.page.text
        return person.submit(button="allow").answer["code"]

    def tokens(self, person: Person, **changes: str | None) -> dict[str, Any]:
        """Get tokens for a person, who allows it."""
        answer = self.redeem(self.allowed(person, **changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def go_to_sign_in(self, person: Person) -> bool:
        """Send somebody who is not signed in; tell whether they are asked to."""
        return person.go(self.url()).step == "sign_in"

    def refused(self, person: Person, **changes: str | None) -> str:
        """Send a person, who ends on a page of ours; return it."""
        person.go(self.url(**changes))
        assert person.page.status_code == 400, person.page.text
        assert "Location" not in person.page.headers
        assert "invalid_client" in person.page.text
        return person.page.text


@pytest.fixture
def agent(server: Server, shelf: Shelf) -> Agent:
    """A program on somebody's machine."""
    return Agent(server, shelf)


def state_of(agent: Agent) -> ClientDocument:
    """Return what is stored of a document; call it in ``arranging``."""
    return session().get_one(ClientDocument, agent.id)


def count_of(agent: Agent) -> int:
    """Return how many clients are stored by its id."""
    with agent.server.arranging():
        statement = select(func.count()).select_from(Client).where(Client.id == agent.id)
        return session().scalar(statement) or 0


def test_an_agent_signs_people_in_by_its_url(server: Server, agent: Agent, person: Person) -> None:
    """C016, O 8252 7.3: nothing is registered; the port of the day is another; everything else is as for any client."""
    port = "http://127.0.0.1:49152/callback"
    person.go(agent.url(redirect_uri=port))
    assert "An agent (127.0.0.1" in person.page.text, "the sign-in page says whose name that is"
    person.sign_in()
    assert person.step == "consent"
    for word in ("An agent", agent.shelf.url.removeprefix("http://"), "127.0.0.1:49152", "this device"):
        assert word in person.page.text, word
    person.submit(button="allow")
    assert person.path.startswith(port + "?")
    tokens = agent.redeem(person.answer["code"], redirect_uri=port).get_json()
    assert agent.claims(tokens["id_token"])["aud"] == agent.id
    assert agent.userinfo(tokens["access_token"]).get_json()["sub"] == person.user_id
    again = agent.refresh(tokens["refresh_token"]).get_json()
    assert agent.userinfo(again["access_token"]).status_code == 200
    assert agent.post("/revoke", token=again["refresh_token"]).status_code == 200
    assert error_of(agent.refresh(again["refresh_token"])) == (400, "invalid_grant")
    assert agent.asked == 1
    assert agent.shelf.headers[0]["accept"] == "application/json"


def test_a_web_application_signs(server: Server, shelf: Shelf, person: Person) -> None:
    """C016: by private_key_jwt, with keys in the document or where it says; nothing else will do, at any endpoint."""
    callback = "https://agent.example/callback"
    for keys in ({"jwks": public(KEY)}, {"jwks_uri": shelf.put("/keys", public(KEY))}):
        agent = Agent(
            server, shelf, redirect_uris=[callback], token_endpoint_auth_method="private_key_jwt", **keys
        )
        tokens = agent.tokens(person)
        assert agent.introspect(tokens["access_token"])["active"] is True
        bare = {
            "grant_type": "refresh_token",
            "refresh_token": tokens["refresh_token"],
            "client_id": agent.id,
        }
        assert error_of(server.send("POST", "/token", bare)) == (401, "invalid_client")
        forged = presented(sign(assertion_claims(agent), STRANGER))
        assert error_of(server.send("POST", "/token", {**bare, **forged})) == (401, "invalid_client")
        assert agent.refresh(tokens["refresh_token"]).status_code == 200


def test_a_request_can_be_pushed_first(server: Server, shelf: Shelf, agent: Agent, person: Person) -> None:
    """C016, O 9126: also as the first that is heard of a client; what is wrong is told to it."""
    pushed = agent.post("/par", **agent.request())
    assert pushed.status_code == 201, pushed.text
    person.go(f"/authorize?client_id={agent.id}&request_uri={pushed.get_json()['request_uri']}").sign_in()
    assert person.submit(button="allow").answer["code"]
    bad = Agent(server, shelf, client_id="https://somebody.example/else")
    bad.id = shelf.url + bad.path
    answer = bad.post("/par", **bad.request())
    assert error_of(answer) == (401, "invalid_client")
    assert "client_id" in answer.get_json()["error_description"]


def test_a_first_request_can_be_signed(server: Server, shelf: Shelf, person: Person) -> None:
    """C016, O 9101: the object of a client that just appeared is verified, and is all that counts."""
    agent = Agent(
        server, shelf, jwks=public(KEY), token_endpoint_auth_method="private_key_jwt", scope="openid"
    )
    person.go(agent.url(request=request_object(agent, key=STRANGER, scope="openid")))
    assert person.step == "application", "an object of somebody else is refused, and not passed over"
    assert person.answer["error"] == "invalid_request_object"
    person.go(agent.url(request=request_object(agent, scope="openid"))).sign_in()
    assert person.submit(button="allow").answer["code"]


def test_a_device_can_be_such_a_client(server: Server, shelf: Shelf, signed_in: Person) -> None:
    """C016, O 8628: who allows it sees the host that asks."""
    device = "urn:ietf:params:oauth:grant-type:device_code"
    agent = Agent(server, shelf, grant_types=[device], redirect_uris=None, scope="openid")
    answer = agent.post("/device-authorization", scope="openid")
    assert answer.status_code == 200, answer.text
    codes = answer.get_json()
    signed_in.go(f"/device?user_code={codes['user_code']}")
    assert f"An agent ({agent.shelf.url.removeprefix('http://')})" in signed_in.page.text
    signed_in.submit(button="allow")
    tokens = agent.post("/token", grant_type=device, device_code=codes["device_code"])
    assert tokens.status_code == 200, tokens.text


def test_a_stranger_shows_no_address_but_its_own(server: Server, shelf: Shelf, person: Person) -> None:
    """C016: a link to somebody else's page would be one more name that it can choose."""
    agent = Agent(server, shelf, client_uri="https://bank.example/", tos_uri="https://agent.example/terms")
    person.go(agent.url()).sign_in()
    assert "bank.example" not in person.page.text
    assert "https://agent.example/terms" in person.page.text


def test_consent_is_asked_each_time(agent: Agent, person: Person) -> None:
    """C016, O 8252 8.6: any program can say that it is this one; so nothing goes out without a page."""
    agent.tokens(person)
    agent.allowed(person)
    agent.allowed(person)
    assert agent.ask(person, prompt="none")["error"] == "consent_required"
    person.go("/account")
    assert "An agent (127.0.0.1" in person.page.text


def test_an_agent_names_the_servers_that_it_may(server: Server, agent: Agent, person: Person) -> None:
    """C016, O 8707: those of the setting, and those that an administrator gave this one."""
    assert agent.ask(person, resource="https://other.example/")["error"] == "invalid_target"
    tokens = agent.tokens(person, resource=RESOURCE)
    with server.arranging():
        client = clients.get(agent.id)
        given = replace(clients.registration_of(client), resources=("https://other.example/",))
        clients.change(client, given, "eve")
        for wanted in ({"first_party": True}, {"redirect_uris": (FOREIGN,)}, {"scope": "openid"}):
            with pytest.raises(InteractionError, match="its metadata document says this"):
                clients.change(client, replace(given, **wanted), "eve")
    agent.allowed(person, resource="https://other.example/")
    server.clock.move(days=1)
    agent.say(client_name="Renamed")
    agent.allowed(person, resource="https://other.example/")
    assert tokens
    registered = server.application()
    assert registered.ask(person, resource=RESOURCE)["error"] == "invalid_target", "it is for strangers alone"


def test_discovery_tells_where_it_is_switched_on(server: Server, tmp_path: Path, keys: Path) -> None:
    """C016, O 8414: true where it is on, and nothing said where it is off."""
    member = "client_id_metadata_document_supported"
    with running(tmp_path, keys) as other:
        for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
            assert server.send("GET", path).get_json()[member] is True
            assert member not in other.send("GET", path).get_json()


# What is refused


SHARED = "a secret that everybody can read here"
NOT_VALID: dict[str, dict[str, Any]] = {
    "of another": {"client_id": "https://somebody.example/client.json"},
    "of nobody": {"client_id": None},
    "a number for an id": {"client_id": 5},
    "a secret": {"client_secret": SHARED},
    "a secret without end": {"client_secret_expires_at": 0},
    "basic": {"token_endpoint_auth_method": "client_secret_basic"},
    "post": {"token_endpoint_auth_method": "client_secret_post"},
    "shared key": {"token_endpoint_auth_method": "client_secret_jwt"},
    "unknown method": {"token_endpoint_auth_method": "tls_client_auth"},
    "a list for a method": {"token_endpoint_auth_method": ["none"]},
    "signing without a key": {"token_endpoint_auth_method": "private_key_jwt"},
    "private key": {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": {"keys": [KEY.as_dict(private=True)]},
    },
    "no redirect URI": {"redirect_uris": None},
    "empty redirect URIs": {"redirect_uris": []},
    "http elsewhere": {"redirect_uris": ["http://agent.example/callback"]},
    "script": {"redirect_uris": ["javascript:alert(1)"]},
    "wildcard": {"redirect_uris": ["https://*.agent.example/callback"]},
    "fragment": {"redirect_uris": [LOOPBACK + "#x"]},
    "text for a list": {"redirect_uris": LOOPBACK},
    "number in a list": {"redirect_uris": [5]},
    "for itself": {"grant_types": ["client_credentials"]},
    "passwords": {"grant_types": ["password"]},
    "text for grants": {"grant_types": "authorization_code"},
    "objects for grants": {"grant_types": [{}]},
    "implicit": {"response_types": ["token"]},
    "our interfaces": {"scope": "openid idprotect:administer"},
    "no scope": {"scope": "a\\b"},
    "number for a name": {"client_name": 5},
    "invisible name": {"client_name": "\u202eknab ruoY"},
    "long name": {"client_name": "x" * 200},
    "script as terms": {"tos_uri": "javascript:alert(1)"},
    "weak signatures": {"id_token_signed_response_alg": "none"},
    "pairwise without a host": {"subject_type": "pairwise"},
}


@pytest.mark.parametrize("changes", NOT_VALID.values(), ids=NOT_VALID)
def test_a_document_that_is_not_valid_lets_nobody_in(
    server: Server, shelf: Shelf, person: Person, changes: dict[str, Any]
) -> None:
    """C016, "Client Metadata Document", O 6749 4.1.2.1: a page and no redirect; nothing is stored; mended, it is good."""
    agent = Agent(server, shelf)
    agent.say(**changes)
    assert "not valid" in agent.refused(person)
    assert count_of(agent) == 0
    good = Agent(server, shelf)
    agent.document = {**good.document, "client_id": agent.id}
    agent.serve()
    assert agent.tokens(person)


NO_DOCUMENT: dict[str, dict[str, Any]] = {
    "not found": {"status": 404},
    "broken": {"status": 500},
    "created": {"status": 201},
    "moved": {"status": 302, "headers": {"Location": "/other"}},
    "moved for good": {"status": 308, "headers": {"Location": "/other"}},
    "a page": {"headers": {"Content-Type": "text/html"}},
    "text": {"headers": {"Content-Type": "text/plain; application/json"}},
}


@pytest.mark.parametrize("more", NO_DOCUMENT.values(), ids=NO_DOCUMENT)
def test_what_is_no_document_is_told_without_details(
    agent: Agent, person: Person, more: dict[str, Any]
) -> None:
    """C016, SR6 server-side fetches: 200 and JSON alone, no redirects; strangers learn nothing of our network."""
    agent.shelf.put("/other", agent.document)
    agent.serve(**more)
    page = agent.refused(person)
    assert "could not be fetched" in page
    assert not any(word in page for word in ("404", "500", "302", "answer was"))
    assert agent.asked == 1
    assert "/other" not in agent.shelf.asked
    assert count_of(agent) == 0


def test_a_document_has_five_kilobytes(agent: Agent, person: Person) -> None:
    """C016, "Maximum Response Size": to the byte."""
    most = metadata_documents.MAX_BYTES
    body = json.dumps(agent.document).encode()
    agent.shelf.put(agent.path, body.ljust(most + 1))
    assert "could not be fetched" in agent.refused(person)
    agent.shelf.put(
        agent.path, body.ljust(most), headers={"Content-Type": "application/client+json; charset=utf-8"}
    )
    assert agent.tokens(person)


URLS = {
    "no path": "https://agent.example",
    "only a slash": "https://agent.example/",
    "a dot": "https://agent.example/./client",
    "two dots": "https://agent.example/a/../client",
    "dots at the end": "https://agent.example/a/..",
    "encoded dots": "https://agent.example/%2e%2E/client",
    "a fragment": "https://agent.example/client#x",
    "an empty fragment": "https://agent.example/client#",
    "a user": "https://somebody@agent.example/client",
    "a password": "https://a:b@agent.example/client",
    "http": "http://agent.example/client",
    "no host": "https:///client",
    "a port that is none": "https://agent.example:x/client",
    "a long one": "https://agent.example/" + "x" * 110,
    "a space": "https://agent.example/a client",
    "a wildcard": "https://*.example/client",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_a_url_that_cannot_be_a_client_id_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, agent: Agent, person: Person, url: str
) -> None:
    """C016, "Client Identifier": looked at before anything is sent."""
    monkeypatch.setattr("idprotect.oidc.document_clients.get_described", pytest.fail)
    assert "is not the URL of a metadata document" in agent.refused(person, client_id=url)


@pytest.mark.parametrize(
    "url",
    [
        "https://agent.example/client.json",
        "https://agent.example:8443/client",
        "https://agent.example/c?v=1",
        "https://agent.example/.well-known/client",
        "https://agent.example/a...b/..client",
    ],
)
def test_what_can_be_a_client_id(url: str) -> None:
    """C016: a port may be there, a query should not and is not refused."""
    assert metadata_documents.problem(url) is None
    assert metadata_documents.problem(url.replace("https:", "http:")) is not None


def test_in_production_nothing_here_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keys: Path, shelf: Shelf
) -> None:
    """C016, SR6 server-side fetches with a canary: no address of ours by name or number, not even of networks for webhooks."""
    port, called = shelf.url.rpartition(":")[2], []
    monkeypatch.setattr(
        "idprotect.senders.outgoing.socket.create_connection", lambda address, **_: called.append(address)
    )
    networks = {"IDPROTECT_OUTGOING_NETWORKS": ("127.0.0.0/8", "10.0.0.0/8")}
    with running(
        tmp_path,
        keys,
        **ON,
        IDPROTECT_DEVELOPMENT=False,
        IDPROTECT_SMS_SENDER="null",
        IDPROTECT_MAIL_SENDER="null",
        **networks,
    ) as server:
        agent, person = Agent(server, shelf), server.person()
        assert "it is not" in agent.refused(person)
        for host in ("127.0.0.1", "localhost", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"):
            assert "could not be fetched" in agent.refused(person, client_id=f"https://{host}:{port}/c"), host
    assert called == []


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch, agent: Agent, person: Person) -> None:
    """C016, SR6: the address that was looked at is the one that is called, so a second answer leads nowhere (rebinding)."""
    looked_up = []

    def answers(host: str, port: int, **_: Any) -> list[Any]:
        looked_up.append(host)
        return [(2, 1, 6, "", ("10.0.0.1" if len(looked_up) > 1 else "198.51.100.1", port))]

    called = []
    monkeypatch.setattr("idprotect.senders.outgoing.socket.getaddrinfo", answers)
    monkeypatch.setattr("idprotect.senders.outgoing._is_allowed", lambda address, *_: address != "10.0.0.1")

    def connect(address: Any, **_: Any) -> Any:
        called.append(address)
        raise OSError

    monkeypatch.setattr("idprotect.senders.outgoing.socket.create_connection", connect)
    agent.refused(person, client_id="https://agent.example/client")
    assert looked_up == ["agent.example"]
    assert called == [("198.51.100.1", 443)]


def test_only_named_hosts_are_asked(tmp_path: Path, keys: Path, shelf: Shelf) -> None:
    """C016: where hosts are named, others are refused unasked; and a host that is not named any more is out at once."""
    with running(
        tmp_path, keys, **ON, IDPROTECT_CLIENT_DOCUMENT_HOSTS=("agent.example", ".tools.example")
    ) as server:
        agent, person = Agent(server, shelf), server.person()
        assert "of this host are not accepted" in agent.refused(person)
    assert shelf.asked == []
    for host, is_named in (
        ("agent.example", True),
        ("AGENT.example", True),
        ("a.tools.example", True),
        ("tools.example", False),
        ("xtools.example", False),
        ("agent.example.evil.example", False),
        ("sub.agent.example", False),
    ):
        named = ["agent.example", ".tools.example"]
        assert metadata_documents.is_of_hosts(f"https://{host}:444/c", named) is is_named, host


def test_other_clients_cost_no_statement_more(
    server: Server, application: Application, signed_in: Person
) -> None:
    """C016: whose id is no URL is looked for among the registered alone."""
    statements: list[str] = []
    with server.front.app_context():
        engine = runtime().db.engine

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        tokens = application.tokens(signed_in)
        application.refresh(tokens["refresh_token"])
        application.userinfo(tokens["access_token"])
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert statements
    assert not [statement for statement in statements if "client_document" in statement]


def test_switched_off_it_is_as_if_there_were_none(server: Server, agent: Agent, person: Person) -> None:
    """C016: off by default; what was issued while it was on is refused from then on."""
    tokens = agent.tokens(person)
    off = replace(server.front.extensions["idprotect"].settings, client_id_metadata_documents=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server.front.extensions["idprotect"], "settings", off)
        agent.refused(person)
        assert error_of(agent.refresh(tokens["refresh_token"])) == (401, "invalid_client")
        assert agent.userinfo(tokens["access_token"]).status_code == 401
    assert agent.userinfo(tokens["access_token"]).status_code == 200
    assert agent.asked == 1


# How long a document is good, and what follows from another one


def test_a_document_is_asked_for_when_it_is_not_fresh_any_more(agent: Agent, person: Person) -> None:
    """C016, "Metadata Caching", O 9111: as long as its headers say, between five minutes and a day; else an hour."""
    freshness = {
        "": 3600,
        "max-age=7200": 7200,
        "public, Max-Age=600": 600,
        "max-age=1": 300,
        "max-age=99999999": 86400,
        "no-store": 300,
        "no-cache, max-age=7200": 300,
        "max-age=soon": 300,
    }
    for said, seconds in freshness.items():
        agent.serve(headers={"Cache-Control": said} if said else {})
        agent.server.clock.move(days=2)
        person.go(agent.url())
        asked = agent.asked
        agent.server.clock.move(seconds=seconds - 2)
        person.go(agent.url())
        assert agent.asked == asked, said
        agent.server.clock.move(seconds=3)
        person.go(agent.url())
        assert agent.asked == asked + 1, said


def test_a_document_that_changed_counts(server: Server, agent: Agent, person: Person) -> None:
    """C016, "Changes in Client Metadata": from the next reading on; what is taken away takes with it what it gave."""
    tokens = agent.tokens(person)
    agent.say(client_name="Another name", redirect_uris=[LOOPBACK, "https://agent.example/callback"])
    server.clock.move(hours=1, seconds=1)
    tokens = agent.refresh(tokens["refresh_token"]).get_json()
    person.go(agent.url(redirect_uri="https://agent.example/callback"))
    assert "Another name" in person.page.text
    agent.say(redirect_uris=["https://agent.example/callback"])
    server.clock.move(hours=1, seconds=1)
    assert error_of(agent.refresh(tokens["refresh_token"])) == (400, "invalid_grant")
    person.go(agent.url())
    assert person.page.status_code == 400
    with server.arranging():
        events = session().scalars(select(AuditEvent).where(AuditEvent.client_id == agent.id)).all()
        names = [(one.name, one.actor) for one in events if one.name.startswith("client:")]
    assert names == [
        ("client:created", "metadata document"),
        ("client:changed", "metadata document"),
        ("client:changed", "metadata document"),
    ]


@pytest.mark.parametrize("way", ["gone", "not valid"])
def test_a_document_that_disappears_lets_nobody_in_and_ends_later(
    server: Server, agent: Agent, person: Person, way: str
) -> None:
    """C016: requests for authorization need a valid one; what was issued is good for a day, in which it may come back."""
    tokens = agent.tokens(person)
    if way == "gone":
        agent.serve(status=404)
    else:
        agent.shelf.put(agent.path, {**agent.document, "client_secret": "x"})
    server.clock.move(hours=1, seconds=1)
    assert "metadata document" in agent.refused(person)
    with server.arranging():
        assert state_of(agent).problem
    server.clock.move(hours=20)
    tokens = agent.refresh(tokens["refresh_token"]).get_json()
    server.clock.move(hours=4)
    assert error_of(agent.refresh(tokens["refresh_token"])) == (401, "invalid_client")
    agent.serve()
    server.clock.move(minutes=1)
    assert agent.refresh(tokens["refresh_token"]).status_code == 200
    with server.arranging():
        assert state_of(agent).problem == ""


def test_a_document_that_goes_bad_while_somebody_signs_in(
    server: Server, agent: Agent, person: Person
) -> None:
    """C016: it is looked at again before anything goes out, and nobody is sent on."""
    agent.serve(headers={"Cache-Control": "max-age=300"})
    person.go(agent.url())
    assert person.step == "sign_in"
    agent.say(client_secret="x")  # noqa: S106
    server.clock.move(minutes=6)
    person.sign_in()
    assert person.page.status_code == 400
    assert "not valid" in person.page.text


def test_a_document_that_fails_is_not_asked_for_by_each_request(
    server: Server, agent: Agent, person: Person
) -> None:
    """C016: nobody has us call somebody again and again: a known one every half minute, an unknown one a few times."""
    agent.serve(status=500)
    for _ in range(MOST_OF_URL + 5):
        agent.refused(person)
    assert agent.asked == MOST_OF_URL
    agent.serve()
    server.clock.move(seconds=31)
    agent.tokens(person)
    asked = agent.asked
    agent.serve(status=500)
    server.clock.move(hours=2)
    for _ in range(5):
        agent.refused(person)
        agent.post("/token", grant_type="refresh_token", refresh_token="x")
    assert agent.asked == asked + 1
    server.clock.move(seconds=31)
    agent.refused(person)
    assert agent.asked == asked + 2


def test_one_address_and_one_host_have_us_ask_so_often(
    monkeypatch: pytest.MonkeyPatch, server: Server, shelf: Shelf, person: Person
) -> None:
    """C016: documents that are not known are counted before they are asked for; those that are known go on."""
    known = Agent(server, shelf)
    known.tokens(person)
    monkeypatch.setattr("idprotect.oidc.document_clients.MOST_OF_HOST", 0)
    assert "Too many" in Agent(server, shelf).refused(person)
    monkeypatch.undo()
    few = replace(server.front.extensions["idprotect"].settings, client_documents_per_address=1)
    monkeypatch.setattr(server.front.extensions["idprotect"], "settings", few)
    server.clock.move(hours=1)
    assert Agent(server, shelf).go_to_sign_in(server.person())
    stranger = Agent(server, shelf)
    assert "Too many" in stranger.refused(person)
    assert stranger.asked == 0
    known.allowed(person)


def test_a_slow_stranger_takes_few_places(server: Server, shelf: Shelf, agent: Agent) -> None:
    """C016: a server that takes its time keeps neither all our threads nor those who use what is known."""
    known, person = Agent(server, shelf), server.person()
    known.tokens(person)
    asked, go_on = Barrier(3), Event()

    def wait() -> None:
        asked.wait(10)
        go_on.wait(10)

    slow = [Agent(server, shelf) for _ in range(2)]
    for one in slow:
        one.serve(waits=wait)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(server.person().go, one.url()) for one in slow]
        asked.wait(10)
        try:
            assert "Too many" in agent.refused(person)
            known.allowed(person)
        finally:
            go_on.set()
        assert all(one.result(10).step == "sign_in" for one in waiting)


def test_an_administrator_blocks_one(server: Server, agent: Agent, person: Person) -> None:
    """C016: with all that it holds, and its document does not bring it back; enabled, it is as before."""
    tokens = agent.tokens(person)
    with server.arranging():
        clients.set_enabled(clients.get(agent.id), False, "eve", "phishing")
    asked = agent.asked
    server.clock.move(days=2)
    agent.refused(person)
    assert agent.userinfo(tokens["access_token"]).status_code == 401
    with server.arranging():
        retention.purge()
        clients.set_enabled(clients.get(agent.id), True, "eve")
    assert agent.asked == asked
    agent.tokens(person)


def test_one_that_an_administrator_registered_is_no_concern_of_any_document(
    server: Server, shelf: Shelf, person: Person
) -> None:
    """C016, "Pre-Registering": its id may be a URL; nothing is fetched, and what is registered counts."""
    url = shelf.put("/registered", {})
    registered = server.application(client_id=url)
    assert registered.tokens(person)
    assert shelf.asked == []


def test_what_nobody_uses_is_forgotten(server: Server, shelf: Shelf, person: Person) -> None:
    """C016: after a day what nobody allowed, after 90 what nobody used; never what is blocked, nor the registered."""
    used, seen, blocked = (Agent(server, shelf) for _ in range(3))
    registered = server.application(client_id=shelf.url + "/registered")
    used.tokens(person)
    for one in (seen, blocked):
        server.person().go(one.url())
    with server.arranging():
        for one in (used, seen, blocked):
            clients.get(
                one.id
            ).created_at = server.clock.now()  # the default does not follow a clock that is moved
        clients.set_enabled(clients.get(blocked.id), False, "eve")
        retention.purge()
    assert [count_of(one) for one in (used, seen, blocked)] == [1, 1, 1]
    server.clock.move(hours=24, minutes=5)
    with server.arranging():
        retention.purge()
    assert count_of(seen) == 1, "somebody may be about to allow it"
    server.clock.move(hours=1)
    with server.arranging():
        assert retention.purge()["document_clients"] >= 1
    assert [count_of(one) for one in (used, seen, blocked)] == [1, 0, 1]
    server.clock.move(days=89)
    used.allowed(person)
    server.clock.move(days=89)
    with server.arranging():
        retention.purge()
    assert count_of(used) == 1
    server.clock.move(days=2)
    with server.arranging():
        retention.purge()
        assert session().get(Consent, (person.user_id, used.id)) is None
        gone = session().scalars(select(AuditEvent.name).where(AuditEvent.client_id == used.id)).all()
        assert audit.Event.CLIENT_FORGOTTEN in gone
        assert clients.get(registered.id)
    assert [count_of(one) for one in (used, blocked)] == [0, 1]
    used.tokens(person)


def test_policies_name_one_or_all(server: Server, agent: Agent, application: Application) -> None:
    """C016: by its URL, or all that are known by a document; others are not meant."""
    blocked = '[[policy]]\nname = "agents"\nstate = "on"\nclients = {{ include = ["{}"] }}\nthen = {{ require = ["block"] }}'
    for name in (agent.id, "idprotect-documents"):
        server.apply(blocked.format(name))
        person = server.person()
        assert person.go(agent.url()).sign_in().step == "blocked" or person.step == "block"
        assert application.code(server.person().sign_in())
    server.apply(USER_RISK_POLICY, POLICIES)


def test_the_last_errors_tell_of_the_document(server: Server, agent: Agent, person: Person) -> None:
    """C016, C107: of a client that is known: that it could not be had, and that it was not valid, are two things."""
    agent.tokens(person)
    told = []
    for body in (None, {**agent.document, "client_secret": "x"}):
        agent.shelf.put(agent.path, body or {}, status=200 if body else 500)
        server.clock.move(hours=2)
        agent.refused(person)
    with server.arranging():
        told = [explain(row.error, row.description).failed for row in client_errors.of(agent.id)]
    assert "does not say what it has to" in told[0]
    assert "could not be fetched" in told[1]


# Administrators


def run(server: Server, *arguments: str) -> Any:
    """Run a command; return what it answers, or the line in which it refuses."""
    result = server.cli(*arguments, "--json")
    return json.loads(result.output) if result.exit_code == 0 else result.output


def test_commands_show_one_and_what_is_wrong_with_it(server: Server, agent: Agent, person: Person) -> None:
    """C016: list and show by its URL; its document is read again at once, and the reason is told in full."""
    agent.tokens(person)
    assert [row["by_document"] for row in run(server, "client", "list") if row["client_id"] == agent.id] == [
        True
    ]
    told = run(server, "client", "show", agent.id)
    assert told["metadata_document"]["problem"] == ""
    agent.say(client_name="New name")
    assert run(server, "client", "read-document", agent.id)["name"] == "New name"
    agent.serve(status=404)
    assert "the answer was 404" in json.dumps(run(server, "client", "read-document", agent.id))
    assert run(server, "client", "show", agent.id)["metadata_document"]["problem"] == "the answer was 404"
    changed = run(server, "client", "change", agent.id, "--redirect-uri", FOREIGN)
    assert "its metadata document says this" in json.dumps(changed)
    assert "has no secret" in json.dumps(run(server, "client", "rotate-secret", agent.id))
    assert run(server, "client", "disable", agent.id)["enabled"] is False
    registered = server.application()
    assert "known by no document" in json.dumps(run(server, "client", "read-document", registered.id))


def test_the_api_shows_and_switches_one(server: Server, agent: Agent, person: Person) -> None:
    """C016: its id is a URL in a path; what its document says is not changed here."""
    agent.tokens(person)
    caller = Caller(server, "idprotect:applications.read", "idprotect:applications.write")
    path = f"/applications/{quote(agent.id, safe='')}"
    shown = caller.send("GET", path)
    assert shown.get_json()["by_document"] is True
    registration = shown.get_json()["registration"]
    body = {"registration": {**registration, "client_name": "Mine"}, "reason": "a try"}
    answer = caller.send("PUT", path, body, If_Match=shown.headers["ETag"])
    assert answer.status_code == 422
    assert "its metadata document says this" in answer.text
    body["registration"] = {**registration, "resources": ["https://api.example/"]}
    assert caller.send("PUT", path, body, If_Match=shown.headers["ETag"]).status_code == 200
    assert caller.send("PUT", f"{path}/enabled", {"on": False, "reason": "a try"}).status_code == 204
    agent.refused(person)


def test_a_person_takes_the_consent_back(server: Server, agent: Agent, person: Person) -> None:
    """C016: at the account page, by an address that has a URL in it."""
    tokens = agent.tokens(person)
    person.go("/account").submit(action="/revoke")
    assert person.step == "/account"
    assert error_of(agent.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


MEMBERS = [
    "client_id",
    *sorted(metadata_documents._TAKEN),
    *("client_secret", "response_types", "logo_uri", "unknown"),
]


@given(
    changes=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=4),
    garbage=st.none() | st.binary(max_size=50),
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_hostile_documents_are_refused_without_a_stumble(
    server: Server, shelf: Shelf, changes: dict[str, Any], garbage: bytes | None
) -> None:
    """C016: whatever a document says, there is a page or a sign-in, never an error of ours."""
    agent = Agent(server, shelf)
    document = {**agent.document, **changes}
    shelf.put(agent.path, document if garbage is None else garbage)
    person = server.person().go(agent.url())
    assert person.page.status_code == 400 or person.step in ("sign_in", "application"), (
        person.page.status_code
    )
    assert agent.post("/par", **agent.request()).status_code in (201, 400, 401)


@given(st.from_regex(r"https?://[!-~]{0,60}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_any_url_is_judged(url: str) -> None:
    """C016: pure: judging never raises, and what passes has no fragment, no user and a path."""
    if metadata_documents.problem(url) is None:
        assert url.startswith("https://")
        assert "#" not in url
        assert "@" not in url.split("/")[2]
        assert url.count("/") >= 3


@given(st.dictionaries(st.sampled_from(["cache-control", "expires", "date", "age"]), st.text(max_size=40)))
def test_any_headers_are_understood(headers: dict[str, str]) -> None:
    """C016, O 9111 4.2: within bounds, whatever they say."""
    now = datetime(2031, 1, 1, tzinfo=UTC)
    seconds = metadata_documents.lifetime(headers, now)
    assert metadata_documents.LEAST <= seconds <= metadata_documents.MOST


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"expires": "Wed, 01 Jan 2031 02:00:00 GMT"}, 7200),
        ({"expires": "Wed, 01 Jan 2031 02:00:00 GMT", "date": "Wed, 01 Jan 2031 01:00:00 GMT"}, 3600),
        ({"expires": "0"}, 300),
        ({"expires": "0", "date": "Tue, 31 Dec 2030 00:00:00 GMT"}, 300),
        ({"expires": "Wed, 01 Jan 2031 02:00:00 GMT", "cache-control": "max-age=900"}, 900),
        ({"cache-control": "max-age=7200", "age": "3600"}, 3600),
    ],
)
def test_what_headers_say(headers: dict[str, str], seconds: int) -> None:
    """C016, O 9111 5.3 and 4.2.3: Expires where there is no max-age; what is old already is fresh for less."""
    assert metadata_documents.lifetime(headers, datetime(2031, 1, 1, tzinfo=UTC)) == seconds
