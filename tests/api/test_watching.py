"""F019, F020: what an application reads leaves a trace that cannot bury the log, and a burst is held against it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from idprotect import workloads
from idprotect.admin import posture
from idprotect.models import AuditEvent, session
from tests.api.test_api import REASON, Caller
from tests.oidc.server import ISSUER, Server, error_of, running

READS, ACTS = 12, 3


@pytest.fixture(params=["sqlite", "postgresql"])
def watching(request: pytest.FixtureRequest, tmp_path: Path, keys: Path) -> Iterator[Server]:
    """Run a server with low limits, which refuses applications at risk."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    limits = {"IDPROTECT_API_READS_PER_HOUR": READS, "IDPROTECT_API_ACTS_PER_HOUR": ACTS}
    more: dict[str, Any] = {"IDPROTECT_BLOCK_RISKY_CLIENTS": True, "IDPROTECT_DATABASE_URL": url}
    with running(tmp_path, keys, **limits, **more) as server:
        yield server


def events(caller: Caller, name: str) -> list[AuditEvent]:
    """Return the events about an application, oldest first."""
    with caller.server.arranging():
        of_client = (AuditEvent.name == name, AuditEvent.client_id == caller.application.id)
        return list(session().scalars(select(AuditEvent).where(*of_client).order_by(AuditEvent.id)))


def test_reading_is_written_down_once_for_each_ten_times_as_much(server: Server) -> None:
    """F103: of each resource by itself; 120 requests leave three events of the one and one of the other."""
    reader = Caller(server, "idprotect:risk.read")
    for _ in range(120):
        reader.get("/users?limit=1")
    assert reader.send("GET", "/users/nobody").status_code == 404
    told = [(row.actor, row.details["resource"], row.details["reads"]) for row in events(reader, "api:read")]
    me = f"client:{reader.application.id}"
    assert told == [(me, "listUsers", 1), (me, "listUsers", 10), (me, "listUsers", 100), (me, "getUser", 1)]
    server.clock.move(minutes=61)
    reader = Caller(server, "idprotect:risk.read")
    reader.get("/users")
    assert [row.details["reads"] for row in events(reader, "api:read")] == [1], "a new hour begins anew"


def test_a_burst_of_reading_is_held_against_the_application_once(watching: Server) -> None:
    """F019, F020: also of what is not there; told in the log, and where the operator wants that, it is refused."""
    reader, other = (Caller(watching, "idprotect:risk.read") for _ in range(2))
    for number in range(READS):
        assert reader.send("GET", f"/users/{number}").status_code == 404
    assert reader.send("GET", "/users").status_code == 401
    (found,) = events(reader, "client:anomalous")
    assert found.details["reasons"] == [f"at least {READS} reads at the API within an hour"]
    assert found.details["level"] == "medium"
    refused = reader.application.post("/token", grant_type="client_credentials", scope="idprotect:risk.read")
    assert error_of(refused) == (400, "invalid_grant")
    assert other.send("GET", "/users").status_code == 200
    assert told(watching, reader, "show")["risk_level"] == "medium"
    assert list(told(watching, reader, "show")["bursts"]) == ["reads"]
    with watching.app.test_request_context(base_url=ISSUER):
        mend = [row.mend for row in posture.advice() if "credentials" in row.text]
    assert mend == [f"flask idprotect client show {reader.application.id}"], (
        "the overview tells administrators"
    )
    assert told(watching, reader, "dismiss", "--reason", "the monthly report")["risk_level"] == "none"
    assert reader.send("GET", "/users").status_code == 200
    assert len(events(reader, "client:anomalous")) == 1, "the same burst says nothing new"


def test_mass_acts_are_held_against_the_application_and_a_new_secret_ends_that(watching: Server) -> None:
    """F019: what is refused counts, too."""
    caller = Caller(watching, "idprotect:risk.act")
    for _ in range(ACTS):
        assert caller.send("POST", "/users/nobody/block", REASON).status_code == 404
    assert caller.send("POST", "/users/nobody/block", REASON).status_code == 401
    (found,) = events(caller, "client:anomalous")
    assert found.details["what"] == "acts"
    assert {row["client_id"]: row["risk_level"] for row in told(watching, None, "list")} == {
        caller.application.id: "medium"
    }
    told(watching, caller, "rotate-secret")
    assert told(watching, caller, "show")["risk_level"] == "none"
    (ended,) = events(caller, "client:remediated")
    assert ended.details["bursts"] == ["acts"]


def test_what_an_application_is_held_at_risk_for_is_told_and_closed_at_the_api(server: Server) -> None:
    """F020, C096: in list and representation; closed with a reason, by another one that may do as much."""
    caller = Caller(server, "idprotect:applications.read", "idprotect:applications.write")
    other = Caller(server, "idprotect:applications.read")
    path = f"/applications/{other.application.id}"
    with server.arranging():
        for risky in (caller, other):
            workloads.observe_burst(risky.application.id, "acts", 300)
    listed = {row["client_id"]: row["level"] for row in caller.get("/applications?level=medium")["items"]}
    assert listed == dict.fromkeys((caller.application.id, other.application.id), "medium")
    assert "acted far more at the API" in caller.get(path)["risk_reasons"][0]
    me = f"/applications/{caller.application.id}"
    assert caller.send("POST", f"{me}/dismiss", REASON).status_code == 403, "nobody clears themselves"
    assert other.send("POST", f"{path}/dismiss", REASON).status_code == 403
    for _ in range(2):
        assert caller.send("POST", f"{path}/dismiss", REASON).status_code == 204
    assert (caller.get(path)["risk_level"], caller.get(path)["risk_reasons"]) == ("none", [])
    (told,) = events(other, "client:dismissed")
    assert (told.actor, told.details["reason"]) == (f"client:{caller.application.id}", REASON["reason"])


def told(server: Server, caller: Caller | None, command: str, *arguments: str) -> Any:
    """Return what a command about an application, or about all, answers."""
    names = (caller.application.id,) if caller is not None else ()
    result = server.cli("client", command, *names, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)
