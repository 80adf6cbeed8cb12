"""F055, F063, C096: one named location at a time at the API."""

from typing import Any

import pytest

from tests.api.test_api import Caller
from tests.oidc.server import Server
from tests.support.world import MFA_POLICY

OFFICE = "/named-locations/office"
NETWORKS = {"networks": ["192.0.2.0/24"], "trusted": True}


@pytest.fixture
def editor(server: Server) -> Caller:
    """An application that changes policies."""
    return Caller(server, "idprotect:policies.read", "idprotect:policies.write")


def put(caller: Caller, path: str, body: dict[str, Any], etag: str | None = None) -> Any:
    """Put a location; made from what is in force now."""
    etag = etag or caller.send("GET", "/policies").headers["ETag"]
    return caller.send("PUT", path, body, If_Match=etag)


def remove(caller: Caller, path: str) -> Any:
    """Remove a location."""
    etag = caller.send("GET", "/policies").headers["ETag"]
    return caller.send("DELETE", f"{path}?note=closed", If_Match=etag)


def test_a_location_is_made_read_changed_and_removed_by_itself(server: Server, editor: Caller) -> None:
    """F055: the rest of the document stays; each change is a version with who made it and why."""
    server.apply(MFA_POLICY)
    assert editor.send("GET", OFFICE).status_code == 404
    made = put(editor, OFFICE, {**NETWORKS, "note": "the new office"})
    assert made.status_code == 200, made.text
    assert editor.get(OFFICE) == {"name": "office", "countries": [], **NETWORKS}
    assert editor.send("GET", OFFICE).headers["ETag"] == made.headers["ETag"]
    force = editor.get("/policies")
    assert (force["by"], force["note"]) == (f"client:{editor.application.id}", "the new office")
    assert [row["name"] for row in force["document"]["policy"]] == ["always-mfa"]
    assert put(editor, OFFICE, {"countries": ["CH"]}).status_code == 200
    assert editor.get(OFFICE) == {"name": "office", "networks": [], "countries": ["CH"], "trusted": False}
    assert [row["name"] for row in editor.get("/named-locations")["items"]] == ["office"]
    assert remove(editor, OFFICE).status_code == 200
    assert editor.get("/policies")["note"] == "closed"


def test_what_is_so_already_may_be_said_again_and_what_changed_meanwhile_is_not_undone(
    server: Server, editor: Caller
) -> None:
    """F114: a request without an answer is sent again."""
    server.apply(MFA_POLICY)
    etag = editor.send("GET", "/policies").headers["ETag"]
    unsaid = {"networks": ["192.0.2.0/24"]}
    assert editor.send("PUT", OFFICE, unsaid).status_code == 428
    first, again = (put(editor, OFFICE, unsaid, etag) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["ETag"] == first.headers["ETag"], "no version more"
    assert put(editor, "/named-locations/home", unsaid, etag).status_code == 412


def test_a_rule_that_is_broken_is_told_with_its_member(server: Server, editor: Caller) -> None:
    """C096: RFC 9457."""
    server.apply(MFA_POLICY)
    answer = put(editor, OFFICE, {"networks": ["the moon"]})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == ["/networks"]


def test_a_location_that_is_trusted_or_named_is_not_removed(server: Server, editor: Caller) -> None:
    """F056."""
    at_office = MFA_POLICY.replace("then =", 'when = { locations = ["office"] }\nthen =')
    server.apply(at_office, '[[location]]\nname = "office"\nnetworks = ["192.0.2.0/24"]\n')
    assert put(editor, "/named-locations/home", NETWORKS).status_code == 200
    for path in (OFFICE, "/named-locations/home"):
        refused = remove(editor, path)
        assert refused.status_code == 409, refused.text
        assert refused.get_json()["detail"]
    assert put(editor, "/named-locations/home", {"networks": ["192.0.2.0/24"]}).status_code == 200
    assert remove(editor, "/named-locations/home").status_code == 200
    assert editor.get("/policies")["note"] == "closed"
    assert remove(editor, "/named-locations/home").status_code == 404
