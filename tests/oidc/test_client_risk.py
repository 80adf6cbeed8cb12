"""Applications that act for themselves, and come from a network that they never came from."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from idprotect import clients
from idprotect.models import AuditEvent, session
from idprotect.registration import Registration
from tests.oidc.server import Application, Server, basic, error_of, running
from tests.support.databases import write_database

FINDINGS = "idprotect:findings"
OFFICE, CLOUD, ELSEWHERE, NOBODY_KNOWS = "198.51.100.5", "203.0.113.5", "192.0.2.5", "233.252.0.5"
SYSTEMS = {
    "198.51.100.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Office"},
    "203.0.113.0/24": {"autonomous_system_number": 64501, "autonomous_system_organization": "Cloud"},
    "192.0.2.0/24": {"autonomous_system_number": 64502, "autonomous_system_organization": "Elsewhere"},
}


def informed(folder: Path, **config: Any) -> dict[str, Any]:
    return {"IDPROTECT_ASN_DATABASE": str(write_database(folder / "asn.mmdb", SYSTEMS)), **config}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
    """Run a server that knows whose addresses are, and lets applications at risk go on."""
    folder = tmp_path_factory.mktemp("watching")
    with running(folder, keys, **informed(folder)) as watching:
        yield watching


@pytest.fixture(params=["sqlite", "postgresql"])
def refusing(request: pytest.FixtureRequest, tmp_path: Path, keys: Path) -> Iterator[Server]:
    """Run a server that refuses applications at risk."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    config = informed(tmp_path, IDPROTECT_BLOCK_RISKY_CLIENTS=True, IDPROTECT_DATABASE_URL=url)
    with running(tmp_path, keys, **config) as server:
        yield server


def service(server: Server) -> Application:
    with server.arranging():
        options: dict[str, Any] = {"grant_types": ("client_credentials",), "scope": FINDINGS}
        client, secret = clients.create(Registration(client_name="SIEM", **options), by="test")
        return Application(server, client.id, secret or "", "client_secret_basic", "")


def come(application: Application, address: str, *, secret: str | None = None) -> TestResponse:
    """Ask for a token from an address."""
    headers = {
        "Authorization": basic(application.id, secret or application.secret),
        "X-Forwarded-For": address,
    }
    form = {"grant_type": "client_credentials", "scope": FINDINGS}
    return application.server.send("POST", "/token", form, headers)


def learnt(server: Server) -> Application:
    """Register an application that came from the office for long enough."""
    siem = service(server)
    for _ in range(5):
        assert come(siem, OFFICE).status_code == 200
    server.clock.move(days=6)
    return siem


def told(siem: Application, *command: str) -> Any:
    """Run a command about the application, and return its answer."""
    verb, *options = command
    result = siem.server.cli("client", verb, *([] if verb == "list" else [siem.id]), *options, "--json")
    return json.loads(result.output)


def events(siem: Application, name: str) -> list[dict[str, Any]]:
    with siem.server.arranging():
        of_client = select(AuditEvent).where(AuditEvent.client_id == siem.id, AuditEvent.name == name)
        return [event.details for event in session().scalars(of_client)]


def test_a_new_network_after_the_baseline_flags_the_client(server: Server) -> None:
    """F020: the token goes out; the audit log says why, once; the commands show it."""
    siem = learnt(server)
    assert told(siem, "show")["risk_level"] == "none"
    assert come(siem, CLOUD).status_code == 200
    assert come(siem, CLOUD).status_code == 200
    assert events(siem, "client:anomalous") == [
        {
            "level": "medium",
            "reasons": ["the client's credentials were used from AS64501; so far it came from AS64500"],
            "organisation": "Cloud",
            "asn": 64501,
            "known_asns": [64500],
        }
    ]
    shown = told(siem, "show")
    assert (shown["risk_level"], shown["learning"], shown["not_evaluated"]) == ("medium", "", 0)
    networks = [(each["asn"], each["times"], each["risk_level"]) for each in shown["networks"]]
    assert networks == [(64500, 5, "none"), (64501, 2, "medium")]
    assert [each["risk_level"] for each in told(siem, "list") if each["client_id"] == siem.id] == ["medium"]


def test_what_is_usual_or_still_being_learnt_flags_nothing(server: Server) -> None:
    """F020: two networks from the first days are both the client's."""
    siem = service(server)
    for address in (OFFICE, CLOUD, OFFICE, OFFICE, OFFICE):
        assert come(siem, address).status_code == 200
    assert told(siem, "show")["learning"].startswith("learning this client until")
    server.clock.move(days=6)
    assert come(siem, CLOUD).status_code == 200
    assert told(siem, "show")["risk_level"] == "none"
    assert events(siem, "client:anomalous") == []


def test_an_address_whose_network_nobody_knows_is_not_evaluated_and_says_so(server: Server) -> None:
    """F020: never counted as safe, nor as a network that was learnt."""
    siem = learnt(server)
    assert come(siem, NOBODY_KNOWS).status_code == 200
    shown = told(siem, "show")
    assert (shown["risk_level"], shown["not_evaluated"]) == ("none", 1)
    assert [each["asn"] for each in shown["networks"]] == [64500]


def test_a_wrong_secret_neither_flags_nor_teaches(server: Server) -> None:
    """F020: a stranger who knows the client's name can do nothing to it."""
    siem = learnt(server)
    assert come(siem, CLOUD, secret="wrong" * 10).status_code == 401
    assert [each["asn"] for each in told(siem, "show")["networks"]] == [64500]


def test_a_client_at_risk_is_refused_until_an_administrator_dismisses_it(refusing: Server) -> None:
    """F020, I2: from everywhere, with the tokens it has, in every process; what was found survives the refusal."""
    siem = learnt(refusing)
    token = come(siem, OFFICE).get_json()["access_token"]
    assert siem.introspect(token)["active"]
    assert error_of(come(siem, CLOUD)) == (400, "invalid_grant")
    assert error_of(come(siem, OFFICE)) == (400, "invalid_grant")
    assert siem.introspect(token) == {"active": False}
    assert len(events(siem, "client:anomalous")) == 1
    assert told(siem, "dismiss", "--reason", "we moved")["risk_level"] == "none"
    assert events(siem, "client:dismissed") == [{"reason": "we moved", "asns": [64501], "bursts": []}]
    assert siem.introspect(token)["active"]
    assert come(siem, CLOUD).status_code == 200
    assert error_of(come(siem, ELSEWHERE)) == (400, "invalid_grant")
    assert told(siem, "dismiss", "--reason", "there, too")["risk_level"] == "none"
    assert "not at risk" in told(siem, "dismiss", "--reason", "again")["error"]


def test_a_new_secret_closes_the_risk_and_the_stranger_s_network_stays_strange(refusing: Server) -> None:
    """F020: it is remedied, not believed."""
    siem = learnt(refusing)
    assert error_of(come(siem, CLOUD)) == (400, "invalid_grant")
    siem.secret = told(siem, "rotate-secret")["client_secret"]
    assert events(siem, "client:remediated") == [{"asns": [64501], "bursts": []}]
    assert come(siem, OFFICE).status_code == 200
    assert error_of(come(siem, CLOUD)) == (400, "invalid_grant")
