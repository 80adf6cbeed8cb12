"""The API for programs: what administrators read and do, by an application's own token."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from idprotect import api, protection, roles, triage
from idprotect.models import AuditEvent, RiskDetection, session
from idprotect.registration import OWN_SCOPES
from tests.oidc.server import Application, Person, Server, user_of
from tests.oidc.test_client_credentials import service, token_of
from tests.support.world import MFA_POLICY

REASON = {"reason": "asked by telephone"}


def program(server: Server, *scopes: str) -> Application:
    """Register an application that may ask for scopes."""
    return service(server, scope=" ".join(scopes))


class Caller:
    """An application with a token for some scopes."""

    def __init__(self, server: Server, *scopes: str) -> None:
        self.server, self.application = server, program(server, *scopes)
        self.token = token_of(self.application, " ".join(scopes))

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> TestResponse:
        """Send a request; *body* as JSON."""
        sent = {
            "Authorization": f"Bearer {self.token}",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        options = {"json": body} if body is not None else {}
        return self.server.send(method, f"{api.PREFIX}{path}", headers=sent, **options)

    def get(self, path: str) -> Any:
        """Return what is at a path."""
        answer = self.send("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.get_json()

    def act(self, place: str, act: str, body: Mapping[str, Any] = REASON) -> int:
        """Do an act; return the status."""
        return self.send("POST", f"{place}/{act}", body).status_code


@pytest.fixture
def reader(server: Server) -> Caller:
    """An application that reads."""
    return Caller(server, "idprotect:risk.read")


@pytest.fixture
def operator(server: Server) -> Caller:
    """An application that reads and acts as an operator."""
    return Caller(server, "idprotect:risk.read", "idprotect:risk.act")


@pytest.fixture
def editor(server: Server) -> Caller:
    """An application that changes policies."""
    return Caller(server, "idprotect:policies.read", "idprotect:policies.write")


@pytest.fixture
def person(server: Server) -> Person:
    """Somebody who is signed in, and at risk."""
    somebody = server.person().sign_in()
    server.act(protection.confirm_compromised, somebody.username, "test", end_sessions=False)
    return somebody


def path_of(route: Any) -> str:
    """Return an address of a route, of nothing that is there."""
    path: str = route.path
    for name in (
        "user_id",
        "sign_in_id",
        "detection_id",
        "number",
        "version",
        "client_id",
        "name",
        "draft_id",
    ):
        path = path.replace(f"{{{name}}}", "1")
    return path


# Who may ask


def test_every_route_wants_a_token_for_its_own_scope(server: Server) -> None:
    """C096, closed by default over the whole table: no token 401, every other scope 403, before anything is looked at."""
    callers = {scope: Caller(server, scope) for scope in OWN_SCOPES}
    for route in api.ROUTES:
        assert route.scopes, f"{route.name} is open to everybody"
        assert set(route.scopes) <= OWN_SCOPES.keys()
        path = f"{api.PREFIX}{path_of(route)}"
        bare = server.send(route.method, path)
        assert bare.status_code == 401, route.name
        assert bare.headers["WWW-Authenticate"].startswith("Bearer")
        for scope, caller in callers.items():
            status = caller.send(route.method, path_of(route)).status_code
            assert (status == 403) == (scope not in route.scopes), f"{route.name} {scope} {status}"


def test_every_address_below_the_api_is_in_the_table(server: Server) -> None:
    """Over the URL map: nothing answers there that has no scope, but the description and what is not there."""
    rules = [rule for rule in server.app.url_map.iter_rules() if rule.rule.startswith(api.PREFIX)]
    assert {rule.endpoint.rpartition(".")[2] for rule in rules} == api.ENDPOINTS | api.PUBLIC
    for path in ("/nothing-here", "/users/1/2/3", "/", "/not%0Ahing"):
        answer = server.send("GET", f"{api.PREFIX}{path}")
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")


def test_a_cookie_opens_nothing(server: Server) -> None:
    """C096: an administrator's browser that another site leads here is nobody; and no other origin is let in."""
    boss = server.person(authenticators=("totp",), roles=("administrator",)).sign_in()
    answer = boss.send("GET", f"{api.PREFIX}/users")
    assert answer.status_code == 401
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
    assert "Set-Cookie" not in answer.headers
    asked = server.send("OPTIONS", f"{api.PREFIX}/users", headers={"Origin": "https://evil.example"})
    assert (asked.status_code, asked.headers["Allow"]) == (405, "GET, HEAD")


def test_a_client_that_is_disabled_is_out_at_once(server: Server, reader: Caller) -> None:
    """I2: the token is as good as its client is at the moment of use."""
    assert reader.send("GET", "/users").status_code == 200
    server.cli("client", "disable", reader.application.id)
    assert reader.send("GET", "/users").status_code == 401


def test_scopes_act_by_the_matrix_of_roles() -> None:
    """F102: what a scope may do is what its role may do; every act has a route."""
    routes = {route.name: route for route in api.ROUTES}
    assert len(
        [r for r in api.ROUTES if r.method == "POST" and r.tag in ("users", "sign-ins", "detections")]
    ) == len(triage.ACTS)
    assert set(routes["dismiss"].scopes) == {"idprotect:risk.act", "idprotect:administer"}
    assert set(routes["temporaryPassword"].scopes) == {"idprotect:users.reset", "idprotect:administer"}
    assert set(routes["resetFactors"].scopes) == {"idprotect:administer"}
    assert roles.of_scopes({"idprotect:risk.read", "idprotect:findings"}) == frozenset()


# Reading


def test_a_user_their_history_and_what_raised_it(reader: Caller, person: Person) -> None:
    """F113, F027: level, state and detail of the person and of each detection, in the stable words."""
    shown = reader.get(f"/users/{person.user_id}")
    assert (shown["level"], shown["state"]) == ("high", "confirmed_compromised")
    (line,) = reader.get(f"/users/{person.user_id}/history")["items"]
    assert (line["from"], line["to"], line["by"]) == ("none", "high", "test")
    (detection,) = reader.get(f"/users/{person.user_id}/detections")["items"]
    assert (detection["detection"], detection["state"]) == ("admin_confirmed", "confirmed_compromised")
    assert reader.get(f"/detections/{detection['id']}")["reasons"] == detection["reasons"]
    assert person.username in [
        row["user"] for row in reader.get("/risky-users?state=open&limit=200")["items"]
    ]


def test_a_sign_in_and_its_decisions(server: Server, reader: Caller) -> None:
    """F113: the receipt with facts and policies, and that it comes out the same again."""
    somebody = server.person().sign_in()
    server.application().code(somebody)
    (sign_in,) = reader.get(f"/users/{somebody.user_id}/sign-ins")["items"]
    assert (sign_in["outcome"], sign_in["user"]) == ("completed", somebody.username)
    assert reader.get(f"/sign-ins/{sign_in['id']}")["signals"]
    receipts = reader.get(f"/sign-ins/{sign_in['id']}/receipts")["items"]
    receipt = reader.get(f"/receipts/{receipts[0]['number']}")
    assert receipt["recomputed_same"] is True
    assert receipt["facts"]["username"] == somebody.username
    found = reader.get(f"/receipts?reference={receipt['reference'].lower()}")["items"]
    assert [row["number"] for row in found] == [receipt["number"]]


def test_pages_by_cursor_hold_every_row_once(server: Server, reader: Caller) -> None:
    """F113, paging: rows that come meanwhile shift nothing."""
    people = {server.person(groups=("paged",)).username for _ in range(5)}
    seen: list[str] = []
    path = "/users?group=paged&limit=2&sort=-user"
    page = reader.get(path)
    while True:
        seen += [row["user"] for row in page["items"]]
        if page["next"] is None:
            break
        server.person(groups=("elsewhere",))
        page = reader.get(f"{path}&cursor={page['next']}")
    assert seen == sorted(people, reverse=True)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("levle=high", "levle"),
        ("level=urgent", "level"),
        ("level=high&level=low", "level"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("sort=name", "sort"),
        ("q=%00", "q"),
        ("q=" + "x" * 300, "q"),
        ("from=yesterday", "from"),
    ],
)
def test_what_a_list_does_not_know_is_refused(reader: Caller, query: str, parameter: str) -> None:
    """F113: showing everything instead would be another list than the one that was asked for."""
    answer = reader.send("GET", f"/risky-users?{query}")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")
    assert [error["parameter"] for error in answer.get_json()["errors"]] == [parameter]


@pytest.mark.parametrize("query", ["cursor=x", "cursor=bnVsbA", "cursor=WzEsMl0", "from=2026-13-45"])
def test_a_cursor_or_day_that_is_none_is_refused(reader: Caller, query: str) -> None:
    assert reader.send("GET", f"/risky-users?{query}").status_code == 400


def test_nothing_secret_is_ever_told(server: Server) -> None:
    """Section 8: no hash, seed, cookie or token in any answer of any list."""
    caller = Caller(server, *OWN_SCOPES)
    person = server.person(authenticators=("totp",)).sign_in()
    server.application().code(person)
    said = "".join(
        caller.send("GET", path_of(route).replace("/1", f"/{person.user_id}")).text
        for route in api.ROUTES
        if route.method == "GET"
    )
    assert person.username in said
    names = re.compile("client:secret|client_secret_basic|rotate-secret")
    for word in ("hash", "secret", "$argon2", "cookie", caller.token, caller.application.secret):
        assert word not in names.sub("", said), word


# Acting


def test_an_act_is_done_once_however_often_it_is_asked_for(
    server: Server, operator: Caller, person: Person
) -> None:
    """F114: 204, and again 204; one audit event with the application as actor, before and after."""
    place = f"/users/{person.user_id}"
    assert [operator.act(place, "dismiss") for _ in range(3)] == [204, 204, 204]
    with server.arranging():
        user = user_of(person)
        assert (user.risk_level, user.risk_state) == (0, "dismissed")
        acted = select(AuditEvent).where(
            AuditEvent.user_id == person.user_id, AuditEvent.name.startswith("console:act")
        )
        (event,) = session().scalars(acted).all()
    assert event.actor == f"client:{operator.application.id}"
    assert (event.details["act"], event.details["reason"]) == ("dismiss", REASON["reason"])
    assert (event.details["before"]["risk"], event.details["after"]["risk"]) == ("high", "none")


@pytest.mark.parametrize(
    "act", ["confirm-compromised", "confirm-safe", "block", "lock-down", "resolve", "revoke-sessions"]
)
def test_each_act_on_a_person_can_be_repeated(
    server: Server, operator: Caller, person: Person, act: str
) -> None:
    """F114: whoever got no answer asks again; it stays one finding."""
    place = f"/users/{person.user_id}"
    assert [operator.act(place, act) for _ in range(2)] == [204, 204]
    detections = operator.get(f"{place}/detections")["items"]
    assert [row["detection"] for row in detections].count("admin_confirmed") == 1


@pytest.mark.parametrize(
    ("act", "state"),
    [("resolve-detection", "remediated"), ("false-positive", "confirmed_safe"), ("ignore", "dismissed")],
)
def test_a_detection_is_closed_and_counts_again(
    operator: Caller, person: Person, act: str, state: str
) -> None:
    """F114: what is closed in another way already is a conflict, and told so."""
    (detection,) = operator.get(f"/users/{person.user_id}/detections")["items"]
    place = f"/detections/{detection['id']}"
    assert [operator.act(place, act) for _ in range(2)] == [204, 204]
    assert operator.get(place)["state"] == state
    other = "ignore" if act != "ignore" else "false-positive"
    refused = operator.send("POST", f"{place}/{other}", REASON)
    assert (refused.status_code, refused.get_json()["detail"]) == (409, "It is closed already.")
    assert [operator.act(place, "reactivate") for _ in range(2)] == [204, 204]


def test_acts_on_one_sign_in(server: Server, operator: Caller) -> None:
    """F114, F094: the user's level follows."""
    person = server.person().sign_in()
    (sign_in,) = operator.get(f"/users/{person.user_id}/sign-ins")["items"]
    place = f"/sign-ins/{sign_in['id']}"
    assert [operator.act(place, "sign-in-compromised") for _ in range(2)] == [204, 204]
    assert operator.get(f"/users/{person.user_id}")["level"] == "high"
    assert [operator.act(place, "sign-in-safe") for _ in range(2)] == [204, 204]
    assert operator.get(f"/users/{person.user_id}")["level"] == "none"
    assert [operator.act(place, "end-session") for _ in range(2)] == [204, 204]


def test_undoing_a_dismissal_is_done_once_however_often_it_is_asked_for(
    server: Server, operator: Caller, person: Person
) -> None:
    """F114, F036: an earlier dismissal is not taken back because a request was sent again."""
    place = f"/users/{person.user_id}"
    assert operator.act(place, "dismiss") == 204
    server.act(protection.confirm_compromised, person.username, "test")
    assert operator.act(place, "dismiss") == 204
    assert [operator.act(place, "undo-dismissal") for _ in range(3)] == [204] * 3
    states = [row["state"] for row in operator.get(f"{place}/detections")["items"]]
    assert sorted(states) == ["confirmed_compromised", "dismissed"]


def test_the_risk_of_a_deleted_user_can_be_closed(server: Server, operator: Caller, person: Person) -> None:
    """F104: detections outlive their user, and so does the way to close them."""
    (detection,) = operator.get(f"/users/{person.user_id}/detections")["items"]
    server.cli("user", "delete", person.username, "--reason", "left")
    assert operator.send("GET", f"/users/{person.user_id}").status_code == 404
    assert operator.act(f"/detections/{detection['id']}", "resolve-detection") == 204
    assert operator.get(f"/users/{person.user_id}/history")["items"][0]["to"] == "none"


def test_a_temporary_password_is_told_once(server: Server, person: Person) -> None:
    """F096: to the help desk's scope; it is not in the audit log."""
    desk = Caller(server, "idprotect:users.reset")
    secret = desk.send("POST", f"/users/{person.user_id}/temporary-password", REASON).get_json()["secret"]
    with server.arranging():
        details = (
            session().scalars(select(AuditEvent.details).where(AuditEvent.user_id == person.user_id)).all()
        )
    assert secret
    assert secret not in str(details)


def test_only_an_administrator_acts_on_somebody_with_a_role(server: Server, operator: Caller) -> None:
    """F102: a stolen operator's token takes no administrator over; with the scope for it one can be locked down."""
    boss = server.person(roles=("administrator",))
    server.person(roles=("administrator",))
    assert operator.act(f"/users/{boss.user_id}", "confirm-compromised") == 403
    with server.arranging():
        about = (AuditEvent.user_id == boss.user_id, AuditEvent.name.startswith("console:"))
        (row,) = session().scalars(select(AuditEvent).where(*about))
        assert (row.name, row.details["act"]) == ("console:act_refused", "confirm_compromised")
        assert row.actor == f"client:{operator.application.id}", "who tried it is written down"
    caller = Caller(server, "idprotect:administer")
    assert caller.act(f"/users/{boss.user_id}", "confirm-compromised") == 204


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_the_same_act_many_times_at_once_is_done_once(database: str, request: pytest.FixtureRequest) -> None:
    """F114, I5: the database decides."""
    server = request.getfixturevalue("server" if database == "sqlite" else "server_on_postgresql")
    caller, person = Caller(server, "idprotect:risk.act"), server.person()
    with ThreadPoolExecutor(6) as pool:
        statuses = list(
            pool.map(lambda _: caller.act(f"/users/{person.user_id}", "confirm-compromised"), range(12))
        )
    assert set(statuses) <= {204, 503}
    with server.arranging():
        raised = session().scalars(select(RiskDetection).where(RiskDetection.user_id == person.user_id)).all()
    assert len(raised) == 1


# Policies


def document(name: str, *, state: str = "report_only", require: str = "mfa") -> dict[str, Any]:
    """Return a document with one policy."""
    return {"policy": [{"name": name, "state": state, "then": {"require": [require]}}]}


def test_a_document_goes_out_and_in_again_as_it_was(server: Server, editor: Caller) -> None:
    """F063: export, empty, import gives equal policies; who did it stands in the audit log."""
    server.apply(MFA_POLICY)
    read = editor.send("GET", "/policies")
    emptied = editor.send("PUT", "/policies", {"document": {}}, If_Match=read.headers["ETag"])
    assert emptied.status_code == 200, emptied.text
    original = read.get_json()["document"]
    again = editor.send(
        "PUT", "/policies", {"document": original, "note": "back"}, If_Match=emptied.headers["ETag"]
    )
    now = editor.get("/policies")
    assert (now["document"], now["version"], now["by"]) == (
        original,
        again.get_json()["version"],
        f"client:{editor.application.id}",
    )
    assert editor.get("/policies/versions")["items"][0]["note"] == "back"
    assert editor.get(f"/policies/versions/{now['version']}")["document"] == original


def test_nobody_undoes_what_somebody_else_did_meanwhile(editor: Caller) -> None:
    """RFC 9110 13.1.1: the version that was read has to be in force still."""
    read = editor.send("GET", "/policies").headers["ETag"]
    body = {"document": document("first")}
    assert editor.send("PUT", "/policies", body).status_code == 428
    assert editor.send("PUT", "/policies", body, If_Match='"0"').status_code == 412
    assert editor.send("PUT", "/policies", body, If_Match=read).status_code == 200
    assert editor.send("PUT", "/policies", {"document": document("second")}, If_Match=read).status_code == 412
    assert [row["name"] for row in editor.get("/policies")["document"]["policy"]] == ["first"]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_of_two_editors_at_once_one_wins(database: str, request: pytest.FixtureRequest) -> None:
    """I5: the version is a primary key."""
    server = request.getfixturevalue("server" if database == "sqlite" else "server_on_postgresql")
    caller = Caller(server, "idprotect:policies.read", "idprotect:policies.write")
    read = caller.send("GET", "/policies").headers["ETag"]

    def put(number: int) -> int:
        return caller.send(
            "PUT", "/policies", {"document": document(f"p{number}")}, If_Match=read
        ).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(put, range(6)))
    assert statuses.count(200) == 1
    assert set(statuses) <= {200, 412, 503}


def test_going_back_to_an_older_version(editor: Caller) -> None:
    """F063."""
    version = editor.get("/policies")["version"]
    tag = editor.send("PUT", "/policies", {"document": document("a")}, If_Match="*").headers["ETag"]
    back = editor.send("POST", "/policies/roll-back", {"version": version}, If_Match=tag)
    assert back.status_code == 200
    unknown = editor.send("POST", "/policies/roll-back", {"version": 10**6}, If_Match=back.headers["ETag"])
    assert unknown.status_code == 404


def test_every_problem_of_a_document_is_told_and_nothing_changes(editor: Caller) -> None:
    before = editor.get("/policies")
    bad = {"policy": [{"name": "x", "state": "maybe", "then": {"require": ["magic"]}}], "polciy": []}
    for method, path in (("POST", "/policies/check"), ("PUT", "/policies")):
        answer = editor.send(method, path, {"document": bad}, If_Match="*")
        assert answer.status_code == 422
        assert len(answer.get_json()["errors"]) >= 3
    assert editor.get("/policies") == before


def test_locking_everybody_out_needs_the_words_for_it(editor: Caller) -> None:
    """F057: the guards of console and command line are here as well."""
    body = {"document": document("all", state="on", require="block")}
    assert editor.send("PUT", "/policies", body, If_Match="*").status_code == 422


def test_what_if_asks_the_live_evaluator(server: Server, editor: Caller) -> None:
    """F058: in force, or of a draft."""
    asked = {"user": "nobody", "sign_in_risk": "high", "ip_address": "203.0.113.7"}
    draft = {**document("strict", state="on"), "location": []}
    answer = editor.send("POST", "/policies/what-if", {**asked, "document": draft}).get_json()
    assert answer["outcome"] == "blocked", "nobody has a second factor"
    proved = editor.send(
        "POST", "/policies/what-if", {**asked, "document": draft, "proved": ["otp"]}
    ).get_json()
    assert proved["outcome"] == "allowed"
    bad = editor.send("POST", "/policies/what-if", {**asked, "ip_address": "here"})
    assert bad.status_code == 422


def test_an_expression_is_checked_put_into_force_and_asked_about(server: Server, editor: Caller) -> None:
    """C063: the document of the API is that of the file, with the same rules."""
    draft = {"policy": [{**document("e", state="on")["policy"][0], "when": {"expression": "registerd"}}]}
    for method, path in (("POST", "/policies/check"), ("PUT", "/policies"), ("POST", "/policies/what-if")):
        body = {"document": draft} | ({"user": "nobody"} if path.endswith("if") else {})
        refused = editor.send(method, path, body, If_Match="*")
        assert refused.status_code == 422
        assert "character 1: no fact is called 'registerd'" in refused.text
    for strange in (3, None, ["registered"], {"registered": True}, "", "\ud800", "(" * 999, "x" * 1001):
        draft["policy"][0]["when"]["expression"] = strange
        status = editor.send("POST", "/policies/check", {"document": draft}, If_Match="*").status_code
        assert status == (200 if strange is None else 422), ascii(strange)
    draft["policy"][0]["when"]["expression"] = 'registered and sign_in_risk >= "high"'
    put = editor.send("PUT", "/policies", {"document": draft}, If_Match="*")
    assert put.status_code == 200, put.text
    assert editor.get("/policies")["document"] == draft
    asked = {"user": "nobody", "registered": True}
    told = editor.send("POST", "/policies/what-if", {**asked, "sign_in_risk": "low"}).get_json()
    unmet = {"expression": 'sign_in_risk >= "high" is not so: sign_in_risk is low'}
    assert told["policies"][0]["unmet"] == unmet
    risky = editor.send("POST", "/policies/what-if", {**asked, "sign_in_risk": "high"}).get_json()
    assert risky["steps"] == ["notice", "mfa"]


def test_named_locations_are_listed(server: Server, editor: Caller) -> None:
    """F043."""
    location = {"name": "office", "networks": ["198.51.100.0/24"], "trusted": False}
    draft = {**document("x"), "location": [location]}
    assert editor.send("PUT", "/policies", {"document": draft}, If_Match="*").status_code == 200
    assert editor.get("/named-locations")["items"] == [{**location, "countries": []}]


def test_an_emergency_is_declared_once(editor: Caller) -> None:
    body = {"on": True, "reason": "nobody gets in"}
    assert editor.send("PUT", "/policies/emergency", body).status_code == 204
    version = editor.get("/policies")["version"]
    assert editor.send("PUT", "/policies/emergency", body).status_code == 204
    assert (editor.get("/policies")["version"], editor.get("/policies")["emergency"]) == (version, True)
    assert editor.send("PUT", "/policies/emergency", {**body, "on": False}).status_code == 204


# The audit log


def test_the_audit_log_is_read_with_its_seals(server: Server, person: Person) -> None:
    """F103: by the scope for it alone."""
    caller = Caller(server, "idprotect:audit.read")
    event = caller.get("/audit-events?event=risk:confirmed&limit=1")["items"][0]
    assert event["actor"] == "test"
    assert caller.get(f"/audit-events/{event['number']}")["seal"]
