"""C096, C107: applications at the API, registered and changed by a program, with no more than the program has itself."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from idprotect.models import AuditEvent, Client, session
from tests.api.test_api import Caller
from tests.oidc.server import Server, basic

SCOPES = ("idprotect:applications.read", "idprotect:applications.write")
WIKI = {"client_name": "Wiki", "redirect_uris": ["https://wiki.example.org/cb"]}
WHY = "the wiki moved"


@pytest.fixture
def registrar(server: Server) -> Caller:
    """An application that registers others."""
    return Caller(server, *SCOPES)


def register(caller: Caller, registration: dict[str, Any] = WIKI, **more: Any) -> Any:
    """Register an application; return the answer."""
    answer = caller.send("POST", "/applications", {"registration": registration, "reason": WHY, **more})
    assert answer.status_code == 201, answer.text
    return answer


def path_of(answer: Any) -> str:
    """Return where an application is."""
    return f"/applications/{answer.get_json()['client_id']}"


def test_an_application_is_registered_shown_and_listed(server: Server, registrar: Caller) -> None:
    """C107: the names are those of RFC 7591; the secret is told once, and works."""
    answer = register(registrar, client_id="wiki")
    made = answer.get_json()
    assert made["registration"].items() >= WIKI.items()
    shown = registrar.get("/applications/wiki")
    assert shown == {name: value for name, value in made.items() if name != "client_secret"}
    assert (shown["enabled"], shown["risk_level"]) == (True, "none")
    assert "wiki" in [row["id"] for row in registrar.get("/applications?q=wiki")["items"]]
    with server.arranging():
        event = session().query(AuditEvent).filter_by(name="client:created", client_id="wiki").one()
        assert (event.actor, event.details["reason"]) == (f"client:{registrar.application.id}", WHY)
    headers = {"Authorization": basic("wiki", made["client_secret"])}
    known = server.send("POST", "/revoke", {"token": "x"}, headers)
    assert known.status_code == 200, "the secret is good"


def test_registering_again_with_the_same_id_does_nothing(registrar: Caller) -> None:
    """F114: an answer that got lost is asked for again; something else under that id is refused."""
    register(registrar, client_id="again")
    body = {"registration": WIKI, "reason": WHY, "client_id": "again"}
    answer = registrar.send("POST", "/applications", body)
    assert answer.status_code == 200
    assert "client_secret" not in answer.get_json()
    body["registration"] = {**WIKI, "client_name": "Another"}
    assert registrar.send("POST", "/applications", body).status_code == 409


def test_everything_that_is_wrong_is_told_with_its_member(registrar: Caller) -> None:
    """C096: by RFC 9457, and nothing is stored."""
    wrong = {"client_name": "X", "redirect_uris": ["http://example.org/cb"], "pkce": "never"}
    answer = registrar.send("POST", "/applications", {"registration": wrong, "reason": WHY})
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == [
        {"pointer": "/registration", "detail": "/pkce must be one of required, or_nonce, optional"}
    ]
    del wrong["pkce"]
    answer = registrar.send("POST", "/applications", {"registration": wrong, "reason": WHY})
    assert [error["pointer"] for error in answer.get_json()["errors"]] == ["/registration/redirect_uris"]


def test_an_application_is_changed_from_what_was_read(server: Server, registrar: Caller) -> None:
    """C096: nobody undoes what somebody else did meanwhile; what is so already may be said again."""
    made = register(registrar)
    path, etag = path_of(made), made.headers["ETag"]
    body = {"registration": {**WIKI, "client_name": "Knowledge"}, "reason": WHY}
    assert registrar.send("PUT", path, body).status_code == 428
    changed = registrar.send("PUT", path, body, If_Match=etag)
    assert changed.status_code == 200
    assert changed.get_json()["registration"]["client_name"] == "Knowledge"
    assert registrar.send("PUT", path, body, If_Match=etag).status_code == 200, "sent again"
    body["registration"]["client_name"] = "Third"
    assert registrar.send("PUT", path, body, If_Match=etag).status_code == 412
    assert registrar.send("PUT", path, body, If_Match=changed.headers["ETag"]).status_code == 200
    assert registrar.send("PUT", "/applications/nobody", body, If_Match=etag).status_code == 404


def test_a_secret_is_replaced_once_also_when_the_request_is_sent_again(registrar: Caller) -> None:
    """C107: with overlap; ``If-Match`` tells the second request from the first."""
    made = register(registrar)
    path, headers = f"{path_of(made)}/rotate-secret", {"If_Match": made.headers["ETag"]}
    answer = registrar.send("POST", path, {"reason": WHY, "overlap_hours": 24}, **headers)
    assert answer.status_code == 200
    assert answer.get_json()["client_secret"] != made.get_json()["client_secret"]
    assert answer.get_json()["previous_secret_expires_at"]
    assert registrar.send("POST", path, {"reason": WHY}, **headers).status_code == 412
    public = register(registrar, {**WIKI, "token_endpoint_auth_method": "none"})
    path = f"{path_of(public)}/rotate-secret"
    answer = registrar.send("POST", path, {"reason": WHY}, If_Match=public.headers["ETag"])
    assert answer.status_code == 409


@pytest.mark.postgres
def test_of_two_requests_for_a_new_secret_at_one_moment_one_is_carried_out(
    server_on_postgresql: Server,
) -> None:
    """C107: whoever sends again too early gets no second secret, and the first stays good."""
    registrar = Caller(server_on_postgresql, *SCOPES)
    made = register(registrar)
    path, headers = f"{path_of(made)}/rotate-secret", {"If_Match": made.headers["ETag"]}
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(registrar.send, "POST", path, {"reason": WHY}, **headers) for _ in range(4)]
        statuses = sorted(answer.result().status_code for answer in sent)
    assert statuses == [200, 412, 412, 412]


def test_an_application_is_switched_off_and_on(server: Server, registrar: Caller) -> None:
    """C107, F114: said twice, it is one change."""
    path = path_of(register(registrar))
    off = {"on": False, "reason": WHY}
    assert [registrar.send("PUT", f"{path}/enabled", off).status_code for _ in range(2)] == [204, 204]
    assert registrar.get(path)["enabled"] is False
    assert registrar.send("PUT", f"{path}/enabled", {"on": True, "reason": WHY}).status_code == 204
    with server.arranging():
        client_id = path.rpartition("/")[2]
        events = session().query(AuditEvent).filter_by(name="client:changed", client_id=client_id).all()
    assert [event.details["change"] for event in events] == ["disabled", "enabled"]


def test_nobody_gives_or_takes_over_more_than_they_have(server: Server, registrar: Caller) -> None:
    """Section 10: a stolen registrar's token makes no administrator, neither anew nor out of one that there is."""
    own = {"client_name": "Tool", "grant_types": ["client_credentials"], "scope": "idprotect:administer"}
    body = {"registration": own, "reason": WHY}
    refused = registrar.send("POST", "/applications", body)
    assert refused.status_code == 403
    assert "idprotect:administer" in refused.get_json()["detail"]
    mighty = Caller(server, "idprotect:administer").application.id
    with server.arranging():
        etag = f'"{session().get_one(Client, mighty).revision}"'
    weaker = {"registration": {**own, "scope": SCOPES[0]}, "reason": WHY}
    for method, path, sent in (
        ("PUT", "", weaker),
        ("POST", "/rotate-secret", {"reason": WHY}),
        ("PUT", "/enabled", {"on": False, "reason": WHY}),
    ):
        answer = registrar.send(method, f"/applications/{mighty}{path}", sent, If_Match=etag)
        assert answer.status_code == 403, f"{method} {path}"
    body["registration"] = {**own, "scope": SCOPES[0]}
    assert registrar.send("POST", "/applications", body).status_code == 201, "what it has, it may give"


def test_no_application_changes_itself(server: Server, registrar: Caller) -> None:
    """Section 10: who steals its token for ten minutes does not have it for ever."""
    me = f"/applications/{registrar.application.id}"
    etag = registrar.send("GET", me).headers["ETag"]
    answer = registrar.send("POST", f"{me}/rotate-secret", {"reason": WHY}, If_Match=etag)
    assert answer.status_code == 403
    assert "itself" in answer.get_json()["detail"]
