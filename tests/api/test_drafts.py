"""C073, C096: drafts of policies at the API: kept, gone on with, compared, previewed, put into force, discarded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from idprotect.api.schemas import Lines
from idprotect.models import AuditEvent, PolicyDraft, session
from tests.api.test_api import Caller
from tests.oidc.server import Server
from tests.support.world import MFA_POLICY, SIGN_IN_RISK_POLICY, USER_RISK_POLICY

SHELF = "/policies/drafts"
EVERYBODY = '[[policy]]\nname = "closed"\nstate = "on"\nthen = { require = ["block"] }\n'


@pytest.fixture
def editor(server: Server) -> Caller:
    """An application that changes policies; the shelf is empty, and no policy in force but one."""
    with server.arranging():
        session().execute(delete(PolicyDraft))
    server.apply(USER_RISK_POLICY)
    return Caller(server, "idprotect:policies.read", "idprotect:policies.write")


def keep(caller: Caller, text: str, name: str = "Spring", **more: Any) -> Any:
    """Keep a text as a draft."""
    return caller.send("POST", SHELF, {"name": name, "text": text, **more})


def act(caller: Caller, draft: Any, what: str = "", body: Any = None, method: str = "POST") -> Any:
    """Do something to a draft as it was answered."""
    path = f"{SHELF}/{draft.get_json()['id']}" + (f"/{what}" if what else "")
    return caller.send(method, path, body or {}, If_Match=draft.headers["ETag"])


def save(caller: Caller, draft: Any, text: str, **more: Any) -> Any:
    """Go on with a draft."""
    return act(caller, draft, body={"text": text, **more}, method="PUT")


def events(server: Server, draft: Any) -> list[tuple[str, str]]:
    """Return what was done about a draft, and by whom."""
    with server.arranging():
        found = session().scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
        return [(row.name, row.actor) for row in found if row.details.get("draft") == draft["name"]]


def only(caller: Caller) -> Any:
    """Return the one draft."""
    (found,) = caller.get(SHELF)["items"]
    return found


def in_force(caller: Caller) -> list[str]:
    """Return the names of the policies in force."""
    return [row["name"] for row in caller.get("/policies")["document"].get("policy", [])]


def test_a_draft_is_kept_gone_on_with_and_put_into_force(server: Server, editor: Caller) -> None:
    """C073: with who saved it; nothing is in force before somebody says so; then it leaves the shelf."""
    force = editor.get("/policies")["version"]
    other = Caller(server, "idprotect:policies.read", "idprotect:policies.write")
    kept = keep(editor, USER_RISK_POLICY, "From spring on")
    assert kept.status_code == 201, kept.text
    saved = save(other, kept, f"# for May\n{USER_RISK_POLICY}{MFA_POLICY}")
    assert saved.status_code == 200, saved.text
    listed = only(editor)
    assert "text" not in listed
    assert (listed["name"], listed["revision"], listed["based_on"]) == ("From spring on", 2, force)
    me, them = (f"client:{caller.application.id}" for caller in (editor, other))
    assert (listed["created_by"], listed["saved_by"]) == (me, them)
    read = editor.send("GET", f"{SHELF}/{listed['id']}")
    assert read.get_json()["text"].startswith("# for May\n")
    assert in_force(editor) == ["user-risk"]
    applied = act(editor, read, "apply", {"note": "for May"})
    assert applied.status_code == 200, applied.text
    assert applied.headers["ETag"] == editor.send("GET", "/policies").headers["ETag"]
    assert in_force(editor) == ["user-risk", "always-mfa"]
    assert editor.get("/policies")["note"] == "for May"
    assert editor.get(SHELF)["items"] == []
    assert events(server, listed) == [
        ("policy:draft_saved", me),
        ("policy:draft_saved", them),
        ("policy:draft_applied", me),
    ]
    assert act(editor, read, "apply").status_code == 404


def test_a_draft_may_break_the_rules_until_it_is_to_come_into_force(server: Server, editor: Caller) -> None:
    """C073, F047: what is missing is told; it stays as it is."""
    kept = keep(editor, "no toml at all [")
    path = f"{SHELF}/{kept.get_json()['id']}"
    compared = editor.get(f"{path}/differences")
    assert "This is no TOML" in compared["problems"][0]
    assert (compared["changes"], compared["diff"]) == ([], "")
    for what in ("preview", "apply"):
        refused = act(editor, kept, what)
        assert refused.status_code == 409, refused.text
        assert "This is no TOML" in refused.get_json()["errors"][0]["detail"]
    nested = save(editor, kept, f"a = {'[' * 20_000}")
    assert "nested too deeply" in act(editor, nested, "apply").text
    assert only(editor)["revision"] == 2


def test_nobody_overwrites_what_somebody_else_saved(server: Server, editor: Caller) -> None:
    """C073, F114: If-Match names the revision; what is so already may be said again."""
    kept = keep(editor, USER_RISK_POLICY)
    path = f"{SHELF}/{kept.get_json()['id']}"
    assert editor.send("PUT", path, {"text": ""}).status_code == 428
    first, again = (save(editor, kept, MFA_POLICY) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["ETag"] == first.headers["ETag"], "no revision more"
    assert save(editor, kept, SIGN_IN_RISK_POLICY).status_code == 412
    for what, body in (("apply", {}), ("discard", {"reason": "done"})):
        assert editor.send("POST", f"{path}/{what}", body).status_code == 428
        assert act(editor, kept, what, body).status_code == 412
    force = editor.send("GET", "/policies").headers["ETag"]
    assert editor.send("PUT", path, {"text": ""}, If_Match=force).status_code == 412, "that is no revision"
    assert editor.get(path)["revision"] == 2


def test_a_draft_has_a_name_of_its_own_and_is_made_once(server: Server, editor: Caller) -> None:
    """F114: a request without an answer is sent again; another text under the name is refused."""
    first, again = (keep(editor, "a = 1\r\nb = 2") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.get_json() == again.get_json()
    assert keep(editor, MFA_POLICY).status_code == 409
    assert only(editor)["revision"] == 1
    assert keep(editor, "", name=" ").status_code == 422
    refused = keep(editor, "", name="Summer", based_on=2**31 - 1)
    assert [error["pointer"] for error in refused.get_json()["errors"]] == ["/based_on"]


def test_a_draft_is_compared_previewed_and_replayed(server: Server, editor: Caller) -> None:
    """D01, F051: who would notice now, and which sign-ins of the last week would have gone otherwise."""
    server.application().code(server.person().sign_in())
    kept = keep(editor, USER_RISK_POLICY + MFA_POLICY)
    compared = editor.get(f"{SHELF}/{kept.get_json()['id']}/differences")
    assert (compared["in_force"], compared["problems"]) == (editor.get("/policies")["version"], [])
    assert [(row["name"], row["change"]) for row in compared["changes"]] == [("always-mfa", "added")]
    assert '+name = "always-mfa"' in compared["diff"]
    seen = act(editor, kept, "preview").get_json()
    assert seen["now"]["hit"] == seen["now"]["users"] > 0
    assert seen["last_7_days"] is None
    seen = act(editor, kept, "preview", {"replay": True}).get_json()
    assert seen["last_7_days"]["changed"] > 0
    assert only(editor)["revision"] == 1


def test_what_came_into_force_meanwhile_is_not_undone_unseen(server: Server, editor: Caller) -> None:
    """C073: a draft stays based on what it was made from until somebody says that they saw the newer."""
    kept = keep(editor, SIGN_IN_RISK_POLICY)
    server.apply(MFA_POLICY)
    saved = save(editor, kept, f"{SIGN_IN_RISK_POLICY}# more\n")
    refused = act(editor, saved, "apply")
    assert (refused.status_code, in_force(editor)) == (409, ["always-mfa"])
    assert "Other policies came into force" in refused.get_json()["detail"]
    seen = save(editor, saved, SIGN_IN_RISK_POLICY, based_on=editor.get("/policies")["version"])
    assert act(editor, seen, "apply").status_code == 200
    assert in_force(editor) == ["sign-in-risk"]


def test_a_draft_is_discarded_for_a_reason(server: Server, editor: Caller) -> None:
    """C073: the audit log has it."""
    kept = keep(editor, USER_RISK_POLICY, "Unwanted")
    draft = kept.get_json()
    assert act(editor, kept, "discard").status_code == 422
    assert act(editor, kept, "discard", {"reason": "not needed"}).status_code == 204
    assert editor.get(SHELF)["items"] == []
    assert events(server, draft)[-1] == ("policy:draft_discarded", f"client:{editor.application.id}")
    assert act(editor, kept, "discard", {"reason": "not needed"}).status_code == 404


def test_stopping_everybody_needs_the_words_for_it(server: Server, editor: Caller) -> None:
    kept = keep(editor, EVERYBODY)
    assert act(editor, kept, "preview").status_code == 409
    assert act(editor, kept, "apply").status_code == 409
    words = {"confirmation": "block everyone"}
    assert act(editor, kept, "preview", words).status_code == 200
    assert act(editor, kept, "apply", words).status_code == 200


def test_who_only_reads_changes_no_draft(server: Server, editor: Caller) -> None:
    """F102: reads, compares and previews alone."""
    kept = keep(editor, USER_RISK_POLICY)
    reader = Caller(server, "idprotect:policies.read")
    for what in ("apply", "discard"):
        assert act(reader, kept, what, {"reason": "x"}).status_code == 403
    assert save(reader, kept, "").status_code == 403
    assert keep(reader, "", "Summer").status_code == 403
    assert act(reader, kept, "preview").status_code == 200
    assert only(editor)["revision"] == 1


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_lines_take_what_can_be_shown(text: str) -> None:
    """A 1.1.5: of characters that cannot be shown, line ends and tabs alone."""
    odd = any(not (sign.isprintable() or sign in "\n\t") for sign in text.replace("\r\n", "\n"))
    assert (Lines(1000).problem(text) is not None) == odd
