"""C068: terms of use at the API: made, published in versions, read with who accepted them, deleted."""

from typing import Any

import pytest

from idprotect.models import AuditEvent, TermsVersion, session
from tests.api.test_api import Caller
from tests.oidc.server import Server
from tests.terms.rules import POLICY

ALL, RULES = "/terms-of-use", "/terms-of-use/rules"
FIRST = {"title": "The rules", "text": "Be kind."}


@pytest.fixture
def editor(server: Server) -> Caller:
    """An application that changes policies and reads about people."""
    return Caller(server, "idprotect:policies.read", "idprotect:policies.write", "idprotect:risk.read")


@pytest.fixture
def rules(server: Server, editor: Caller) -> Any:
    """Terms that were made; gone again after the test, with whatever asks for them."""
    made = editor.send("POST", ALL, {"name": "rules", **FIRST})
    assert made.status_code == 201, made.text
    yield made
    server.apply("")
    assert editor.send("DELETE", f"{RULES}?reason=done").status_code in (204, 404)


def put(caller: Caller, etag: str | None = None, **body: Any) -> Any:
    """Say how the terms are to be; made from what they are now."""
    etag = etag or caller.send("GET", RULES).headers["ETag"]
    return caller.send("PUT", RULES, {**FIRST, **body}, If_Match=etag)


def test_terms_are_made_and_published_in_versions(server: Server, editor: Caller, rules: Any) -> None:
    """C068: each version stays readable, with who published it."""
    shown = {"name": "rules", "version": 1, "required_version": 1, "valid_days": None, "title": "The rules"}
    assert rules.get_json() == editor.get(RULES) == {**shown, "accepted_by": 0, "policies": []}
    changed = put(editor, text="Be kinder.", valid_days=30, note="after the party")
    assert changed.status_code == 200, changed.text
    assert changed.get_json() | {"title": ""} == {
        **shown,
        "version": 2,
        "required_version": 2,
        "valid_days": 30,
        "title": "",
        "accepted_by": 0,
        "policies": [],
    }
    mended = put(editor, text="Be kinder!", valid_days=30, asks_again=False).get_json()
    assert (mended["version"], mended["required_version"]) == (3, 2)
    second = editor.get(f"{RULES}/versions/2")
    assert (second["text"], second["asks_again"], second["note"]) == ("Be kinder.\n", True, "after the party")
    assert second["published_by"] == f"client:{editor.application.id}"
    assert [row["name"] for row in editor.get(ALL)["items"]] == ["rules"]
    assert editor.send("GET", f"{RULES}/versions/4").status_code == 404
    with server.arranging():
        names = [row.name for row in session().query(AuditEvent).filter(AuditEvent.name.startswith("terms:"))]
    assert names == ["terms:created", "terms:changed", "terms:published", "terms:published"]


def test_what_is_so_already_may_be_said_again(server: Server, editor: Caller, rules: Any) -> None:
    """C068, F114: and what somebody else published meanwhile is not overwritten."""
    etag = rules.headers["ETag"]
    assert editor.send("POST", ALL, {"name": "rules", **FIRST}).status_code == 200
    assert editor.send("POST", ALL, {"name": "rules", **FIRST, "text": "Other."}).status_code == 409
    assert editor.send("PUT", RULES, {**FIRST, "text": "New."}).status_code == 428
    assert put(editor, etag, text="New.").status_code == 200
    assert put(editor, etag, text="New.").status_code == 200, "the answer was lost, so it is sent again"
    assert put(editor, etag, text="Another.").status_code == 412
    assert put(editor, valid_days=7, text="New.").status_code == 200
    assert put(editor, '"2-next"', valid_days=8, text="New.").status_code == 412
    with server.arranging():
        assert session().query(TermsVersion).count() == 2


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": "Rules"}, "/name"),
        ({"name": "-"}, "/name"),
        ({"name": "x" * 65}, "/name"),
        ({"title": "a\nb"}, "/title"),
        ({"text": " \n "}, "/text"),
        ({"text": "a\u0007b"}, "/text"),
        ({"text": "x" * 50_001}, "/text"),
        ({"valid_days": 0}, "/valid_days"),
        ({"valid_days": None}, "/valid_days"),
        ({"version": 7}, "/version"),
    ],
)
def test_bad_input_is_told_member_by_member(editor: Caller, wrong: dict[str, Any], pointer: str) -> None:
    """C068, C096: 422 with a JSON pointer, and nothing is made."""
    answer = editor.send("POST", ALL, {"name": "other", **FIRST, **wrong})
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]
    assert editor.get(ALL)["items"] == []


def test_who_accepted_is_listed(server: Server, editor: Caller, rules: Any) -> None:
    """C068: by terms and by person; whoever may not read about people may not read this."""
    server.apply(POLICY)
    person, other = server.person().sign_in(), server.person().sign_in()
    person.submit(button="accept")
    rows = editor.get(f"{RULES}/acceptances")["items"]
    assert [(row["user"], row["terms"], row["version"]) for row in rows] == [(person.username, "rules", 1)]
    assert rows[0]["sign_in"] == server.sign_in_of(person).id
    assert editor.get(f"/users/{person.user_id}/acceptances")["items"] == rows
    assert editor.get(f"/users/{other.user_id}/acceptances")["items"] == []
    assert editor.get(f"{RULES}/acceptances?version=2")["items"] == []
    assert editor.get(f"{RULES}/acceptances?version=x")["items"] == []
    assert editor.send("GET", f"{RULES}/acceptances?vers=1").status_code == 400
    assert editor.send("GET", "/terms-of-use/none/acceptances").status_code == 404
    assert editor.get(RULES)["accepted_by"] == 1
    assert editor.get(RULES)["policies"] == ["house-rules"]
    documents = Caller(server, "idprotect:policies.read")
    assert documents.send("GET", RULES).status_code == 200
    assert documents.send("GET", f"{RULES}/acceptances").status_code == 403
    assert documents.send("POST", ALL, {"name": "mine", **FIRST}).status_code == 403


def test_what_a_policy_asks_for_is_not_deleted(server: Server, editor: Caller, rules: Any) -> None:
    """C068: 409 while it does; a reason is needed."""
    server.apply(POLICY)
    assert editor.send("DELETE", RULES).status_code == 400
    refused = editor.send("DELETE", f"{RULES}?reason=done")
    assert (refused.status_code, "house-rules" in refused.text) == (409, True)
    assert editor.send("GET", RULES).status_code == 200
    server.apply("")
    assert editor.send("DELETE", f"{RULES}?reason=done").status_code == 204
    assert editor.send("DELETE", f"{RULES}?reason=done").status_code == 404


def test_what_if_knows_what_was_accepted(server: Server, editor: Caller, rules: Any) -> None:
    """C068, F061: of somebody imagined, and as things stand; unknown terms make a document that is refused."""
    server.apply(POLICY)
    asked = {"user": "nobody-yet"}
    assert editor.send("POST", "/policies/what-if", asked).get_json()["outcome"] == "terms_required"
    asked_of = {**asked, "accepted_terms": ["rules"]}
    accepted = editor.send("POST", "/policies/what-if", asked_of).get_json()
    assert (accepted["outcome"], accepted["policies"][0]["controls"]) == ("allowed", ["terms_of_use: rules"])
    document = {"policy": [{"name": "x", "then": {"terms_of_use": ["nowhere"]}}]}
    refused = editor.send("POST", "/policies/check", {"document": document})
    assert refused.status_code == 422
    assert "no terms of use are called 'nowhere'" in refused.text
