"""POST /api/v1/findings: what another system found out counts from the next decision on."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from idprotect.models import AuditEvent, Receipt, RiskDetection, SignIn, session
from tests.oidc.server import Application, Person, Server, error_of, user_of
from tests.oidc.test_client_credentials import FINDINGS, service, token_of

PATH = "/api/v1/findings"


@pytest.fixture
def siem(server: Server) -> Application:
    """An application that may report findings."""
    return service(server)


@pytest.fixture
def person(server: Server) -> Person:
    """Somebody who is signed in."""
    return server.person(authenticators=("totp",)).sign_in()


def post(siem: Application, body: Any, *, token: str | None = None, **headers: str) -> TestResponse:
    """Report something; *body* is sent as it is when it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {
        "Authorization": f"Bearer {token or token_of(siem)}",
        "Content-Type": "application/json",
        **headers,
    }
    return siem.server.send("POST", PATH, data, sent)


def finding(person: Person, **changes: Any) -> dict[str, Any]:
    """Return a good finding, changed; None leaves a member out."""
    members = {
        "id": "case-1",
        "sub": person.user_id,
        "level": "high",
        "title": "Malware on the laptop",
        **changes,
    }
    return {name: value for name, value in members.items() if value is not None}


def detections(server: Server, person: Person) -> list[RiskDetection]:
    with server.arranging():
        statement = select(RiskDetection).where(RiskDetection.user_id == person.user_id)
        return list(session().scalars(statement.order_by(RiskDetection.detected_at)))


def test_a_finding_is_a_detection_with_its_source(server: Server, siem: Application, person: Person) -> None:
    """F026: at the level reported, with reasons, the application as actor; the answer tells nothing about the user."""
    answer = post(siem, finding(person, source="EDR", reasons=["hash abc on host 17"]))
    assert (answer.status_code, answer.get_json()) == (201, {"id": "case-1"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    (row,) = detections(server, person)
    assert (row.name, row.level, row.about, row.timing) == ("external_finding", 3, "user", "offline")
    assert row.reasons == ["EDR: Malware on the laptop", "hash abc on host 17"]
    assert (row.client_id, row.report_id) == (siem.id, "case-1")
    with server.arranging():
        user = user_of(person)
        assert (user.risk_level, user.risk_state) == (3, "at_risk")
        actors = select(AuditEvent.actor).where(
            AuditEvent.user_id == person.user_id, AuditEvent.name == "risk:detected"
        )
        assert session().scalars(actors).all() == [f"client:{siem.id}"]


def test_refresh_tokens_stop_at_once(server: Server, siem: Application, person: Person) -> None:
    """F026, I2: the very next decision sees it, and the same token works again after the risk is gone."""
    application = server.application()
    refresh_token = application.tokens(person)["refresh_token"]
    assert post(siem, finding(person)).status_code == 201
    assert error_of(application.refresh(refresh_token)) == (400, "invalid_grant")
    row = detections(server, person)[0]
    answer = server.cli("detection", "resolve", row.id, "--reason", "reinstalled")
    assert answer.exit_code == 0, answer.output
    assert application.refresh(refresh_token).status_code == 200


@pytest.mark.parametrize(("level", "user_level"), [("low", 0), ("medium", 1), ("high", 3)])
def test_a_finding_about_a_sign_in_moves_its_aggregated_level_only(
    server: Server, siem: Application, person: Person, level: str, user_level: int
) -> None:
    """F028: the real-time level is frozen; the user's follows from the table (2.1)."""
    server.application().code(person)
    sign_in = server.sign_in_of(person)
    assert sign_in.completed_at is not None
    told = finding(person, level=level, about="sign_in", sign_in=sign_in.id)
    assert post(siem, told).status_code == 201
    after = server.sign_in_of(person)
    assert after.risk_level == 0
    assert after.aggregated_level == {"low": 1, "medium": 2, "high": 3}[level]
    with server.arranging():
        assert user_of(person).risk_level == user_level


def test_a_sign_in_is_named_by_the_reference_number_of_a_page_as_well(
    server: Server, siem: Application, person: Person
) -> None:
    """Product 4: the number on every notice and block page."""
    server.application().code(person)
    with server.arranging():
        receipts = select(Receipt.reference).where(Receipt.user_id == person.user_id)
        reference = session().scalars(receipts).first()
    assert post(siem, finding(person, about="sign_in", sign_in=reference, level="low")).status_code == 201
    assert detections(server, person)[0].sign_in_id == server.sign_in_of(person).id


def test_a_user_is_named_by_name_too(server: Server, siem: Application, person: Person) -> None:
    answer = post(siem, finding(person, sub=None, username=person.username.upper()))
    assert answer.status_code == 201
    assert len(detections(server, person)) == 1


def test_the_same_report_again_changes_nothing(server: Server, siem: Application, person: Person) -> None:
    """Idempotent by the application's own id, also after the finding was closed; another one by it is a conflict."""
    assert post(siem, finding(person)).status_code == 201
    again = post(siem, finding(person))
    assert (again.status_code, again.get_json()) == (200, {"id": "case-1"})
    assert post(siem, finding(person, level="low")).status_code == 409
    assert post(siem, finding(server.person())).status_code == 409
    row = detections(server, person)[0]
    server.cli("detection", "false-positive", row.id, "--reason", "a test file")
    assert post(siem, finding(person)).status_code == 200
    assert [row.state for row in detections(server, person)] == ["confirmed_safe"]
    assert post(service(server), finding(person)).status_code == 201, "ids of another application are its own"


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_report_that_is_sent_many_times_at_once_is_stored_once(
    database: str, request: pytest.FixtureRequest
) -> None:
    """I5: the database decides."""
    server = request.getfixturevalue("server" if database == "sqlite" else "server_on_postgresql")
    siem, person = service(server), server.person()
    token, other = token_of(siem), server.person()
    reports = [finding(person), finding(other)] * 6

    def send(body: dict[str, Any]) -> int:
        return post(siem, body, token=token).status_code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, reports))
    assert set(answers) <= {200, 201, 409, 503}, "the same one, the first one, about somebody else, busy"
    assert answers.count(201) == 1
    assert len(detections(server, person)) + len(detections(server, other)) == 1


@pytest.mark.parametrize(
    ("changes", "pointer", "why"),
    [
        ({"id": None}, "/id", "missing"),
        ({"title": None}, "/title", "missing"),
        ({"level": None}, "/level", "missing"),
        ({"level": "none"}, "/level", "low, medium, high"),
        ({"level": "critical"}, "/level", "low, medium, high"),
        ({"level": 3}, "/level", "low, medium, high"),
        ({"level": ["high"]}, "/level", "low, medium, high"),
        ({"about": "device"}, "/about", "sign_in, user"),
        ({"about": {}}, "/about", "sign_in, user"),
        ({"about": "sign_in"}, "/sign_in", "missing"),
        ({"id": "x" * 129}, "/id", "128"),
        ({"id": ""}, "/id", "text"),
        ({"title": "x" * 201}, "/title", "200"),
        ({"title": " "}, "/title", "text"),
        ({"title": 7}, "/title", "text"),
        ({"title": "a\nforged line"}, "/title", "cannot be shown"),
        ({"title": "a\u0000b"}, "/title", "cannot be shown"),
        ({"title": "a\ud800b"}, "/title", "cannot be shown"),
        ({"title": "a\u202eb"}, "/title", "cannot be shown"),
        ({"source": "x" * 65}, "/source", "64"),
        ({"reasons": "one"}, "/reasons", "list"),
        ({"reasons": ["r"] * 11}, "/reasons", "10"),
        ({"reasons": ["x" * 501]}, "/reasons", "500"),
        ({"reasons": [["r"]]}, "/reasons", "text"),
        ({"username": "ada"}, "", "exactly one"),
        ({"sub": None}, "", "exactly one"),
        ({"sub": 1}, "/sub", "text"),
        ({"levle": "high"}, "/levle", "not known"),
        ({"a/b~c\u00e4": 1}, "/a~1b~0c\\xe4", "not known"),
    ],
)
def test_what_is_not_valid_is_told_member_by_member(
    server: Server, siem: Application, person: Person, changes: dict[str, Any], pointer: str, why: str
) -> None:
    """RFC 9457: a clear 4xx with a JSON pointer; nothing is stored."""
    answer = post(siem, finding(person, **changes))
    assert answer.status_code == 422, answer.text
    assert answer.mimetype == "application/problem+json"
    errors = {error["pointer"]: error["detail"] for error in answer.get_json()["errors"]}
    assert why in errors[pointer]
    assert detections(server, person) == []


def test_every_problem_is_told_at_once(siem: Application, person: Person) -> None:
    answer = post(siem, {"level": "x", "reasons": 1, "sub": person.user_id})
    assert {error["pointer"] for error in answer.get_json()["errors"]} == {
        "/id",
        "/title",
        "/level",
        "/reasons",
    }


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 60000, "application/json", 400),
        (b'{"id": ' + b"1" * 5000 + b"}", "application/json", 400),
        (b"id=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b" " * 70000, "application/json", 413),
    ],
)
def test_what_is_no_json_object_is_refused(siem: Application, body: bytes, kind: str, status: int) -> None:
    """F026: the wrong kind, form or size; never an error of ours."""
    answer = post(siem, body, **{"Content-Type": kind})
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    assert answer.get_json()["status"] == status
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_unknown_users_and_the_sign_ins_of_others_are_not_found(
    server: Server, siem: Application, person: Person
) -> None:
    """The same answer for a sign-in that is not there and one that is somebody else's."""
    assert post(siem, finding(person, sub="0" * 32)).status_code == 404
    assert post(siem, finding(person, sub=None, username="nobody at all")).status_code == 404
    other = server.sign_in_of(server.person().sign_in())
    answers = [post(siem, finding(person, sign_in=value)) for value in (other.id, "0" * 32, "22222-22222")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    with server.arranging():
        failed = session().scalars(select(SignIn.id).where(SignIn.succeeded.is_(False))).first()
    assert failed is None or post(siem, finding(person, sign_in=failed)).status_code == 404
    assert detections(server, person) == []


def test_without_a_token_for_it_nothing_is_told_or_stored(
    server: Server, siem: Application, person: Person
) -> None:
    """RFC 6750 3: 401 with a challenge before the body is looked at; a user's token is not an application's."""
    for header in ("", "Basic abc", "Bearer", "Bearer ", "Bearer wrong", "Bearer \xe4\xf6"):
        answer = server.send("POST", PATH, b"{", {"Authorization": header, "Content-Type": "text/plain"})
        assert answer.status_code == 401, header
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.mimetype == "application/problem+json"
    theirs = server.application().tokens(person)
    for value in (theirs["access_token"], theirs["refresh_token"]):
        assert post(siem, finding(person), token=value).status_code == 401
    assert detections(server, person) == []


def test_a_token_for_another_scope_is_not_enough(server: Server, siem: Application, person: Person) -> None:
    """RFC 6750 3.1."""
    token = token_of(siem)
    with server.arranging():
        from idprotect.models import Token

        row = session().scalars(select(Token).where(Token.client_id == siem.id)).one()
        row.scope = "idprotect:other"
        siem.row().scopes = [FINDINGS, "idprotect:other"]
    answer = post(siem, finding(person), token=token)
    assert answer.status_code == 403
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
