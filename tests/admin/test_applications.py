"""Registering an application in the console: kinds, reasons by line, secrets shown once, programs to paste, last errors."""

import ast
import json
import re
import subprocess
from datetime import timedelta
from typing import Any

import pytest

from idprotect import client_errors, clients, clock, workloads
from idprotect.models import AuditEvent, Client, ClientError, ClientNetwork, session
from idprotect.oidc import explanations
from idprotect.oidc.explanations import explain
from idprotect.registration import TOKEN_EXCHANGE, Registration
from tests.admin.conftest import Enter
from tests.security.place import CALLBACK, CLIENT_SECRET, Place, Visitor, authorization
from tests.support.filled import FilledForm

REASON = "Ordered by the team of the notes."
PAGE = "/admin/applications/notes"


def send(visitor: Visitor, **typed: Any) -> Visitor:
    """Fill the form of the page."""
    form = FilledForm(visitor.page.text, "reason")
    return visitor.go("POST", form.action, form.values | {"reason": REASON} | typed)


def registered(place: Place, client_id: str) -> Registration:
    """Return what an application is registered with."""
    with place.app.app_context():
        return clients.registration_of(clients.get(client_id))


def shown_once(visitor: Visitor) -> str:
    """Return the secret on the page."""
    found = re.search(r'id="client-secret">([^<]+)<', visitor.page.text)
    assert found is not None, visitor.text
    return found[1]


def basic(place: Place, client_id: str, secret: str) -> int:
    """Return what the token endpoint says to a secret: 401 refuses it."""
    from base64 import b64encode

    header = {"Authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}
    data = {"grant_type": "authorization_code", "code": "x", "redirect_uri": CALLBACK}
    return place.browser().send("POST", "/token", data, headers=header).response.status_code


@pytest.mark.parametrize(
    ("kind", "typed", "expected"),
    [
        (
            "web",
            {"redirect_uris": f"{CALLBACK}\r\nhttps://notes.example/other", "first_party": "y"},
            {"redirect_uris": (CALLBACK, "https://notes.example/other"), "first_party": True},
        ),
        (
            "single_page",
            {"redirect_uris": CALLBACK},
            {"token_endpoint_auth_method": "none", "application_type": "web"},
        ),
        (
            "native",
            {"redirect_uris": "com.example.notes:/callback"},
            {"token_endpoint_auth_method": "none", "application_type": "native"},
        ),
        (
            "service",
            {"scope": "reports:read, reports:write"},
            {"grant_types": ("client_credentials",), "scope": "reports:read reports:write"},
        ),
        (
            "service",
            {"scope": "openid", "resource_identifier": "https://notes.example/api", "token_exchange": "y"},
            {
                "grant_types": ("client_credentials", TOKEN_EXCHANGE),
                "resource_identifier": "https://notes.example/api",
            },
        ),
        (
            "web",
            {
                "redirect_uris": CALLBACK,
                "post_logout_redirect_uris": "https://notes.example/bye",
                "backchannel_logout_uri": "https://notes.example/logout",
                "pkce": "or_nonce",
                "token_endpoint_auth_method": "client_secret_post",
                "scope": "openid email",
                "access_token_audience": "https://api.example",
                "resources": "https://ledger.example\r\nurn:example:mail",
            },
            {
                "post_logout_redirect_uris": ("https://notes.example/bye",),
                "backchannel_logout_uri": "https://notes.example/logout",
                "pkce": "or_nonce",
                "token_endpoint_auth_method": "client_secret_post",
                "scope": "openid email",
                "access_token_audience": "https://api.example",
                "resources": ("https://ledger.example", "urn:example:mail"),
            },
        ),
    ],
)
def test_an_application_is_registered_by_kind(
    place: Place, enter: Enter, kind: str, typed: dict[str, Any], expected: dict[str, Any]
) -> None:
    """C107: web, single-page, native, service; the secret is on one page, once, which nobody keeps."""
    visitor = enter().get("/admin/application/new")
    send(visitor, client_name="The notes", client_id="the-notes", kind=kind, **typed)
    assert "The notes is ready" in visitor.text
    assert visitor.page.headers["Cache-Control"] == "no-store"
    found = registered(place, "the-notes")
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.is_public == (kind in ("single_page", "native"))
    if found.token_endpoint_auth_method == "client_secret_basic":
        assert basic(place, "the-notes", shown_once(visitor)) == 400, "the secret is right, the code is not"
        assert shown_once(visitor) not in visitor.get("/admin/applications/the-notes").page.text
    (event,) = place.rows(AuditEvent, AuditEvent.name == "client:created")
    assert (event.actor, event.client_id, event.details["reason"]) == (
        "the-administrator",
        "the-notes",
        REASON,
    )


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        (
            {"redirect_uris": f"{CALLBACK}\r\n\r\nhttp://notes.example/cb\r\nhttps://x/#y"},
            "redirect_uris",
            ("Line 3: &#39;http://notes.example/cb&#39; must be https", "Line 4: ", "has a fragment"),
        ),
        ({"redirect_uris": "com.example:/cb"}, "redirect_uris", ("only a native application",)),
        ({"redirect_uris": ""}, "redirect_uris", ("at least one redirect URI",)),
        ({"post_logout_redirect_uris": "javascript:x"}, "post_logout_redirect_uris", ("Line 1: ",)),
        ({"backchannel_logout_uri": "http://notes.example/"}, "backchannel_logout_uri", ("must be https",)),
        ({"resources": "https://x\r\nledger"}, "resources", ("Line 2: ", "no absolute URI")),
        ({"scope": "idprotect:everything"}, "scope", ("there is no scope",)),
        ({"kind": "native", "pkce": "optional"}, "pkce", ("cannot do without PKCE",)),
        ({"client_id": "notes"}, "client_id", ("a client with the id &#39;notes&#39; exists",)),
        ({"client_name": "   "}, "client_name", ("name",)),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks_uri", ("keys",)),
        ({"reason": " "}, "reason", ()),
    ],
)
def test_what_is_wrong_is_said_by_field_and_line(
    place: Place, enter: Enter, typed: dict[str, Any], field: str, said: tuple[str, ...]
) -> None:
    """C107: redirect URIs are checked with clear reasons; all at once, and nothing typed is lost."""
    place.add_application()
    visitor = enter().get("/admin/application/new")
    send(visitor, **{"client_name": "New", "redirect_uris": CALLBACK, **typed})
    assert visitor.status == 400
    beside = visitor.page.text.partition(f'id="{field}-error"')[2].partition("</div>")[0]
    for words in said:
        assert words in beside, visitor.page.text
    kept = FilledForm(visitor.page.text, "reason").values
    assert kept["client_name"] == typed.get("client_name", "New")
    assert kept["redirect_uris"].splitlines() == typed.get("redirect_uris", CALLBACK).splitlines()
    assert len(place.rows(Client)) == 1


def test_a_form_that_is_sent_twice_registers_one_application(place: Place, enter: Enter) -> None:
    """The id stands in the form: whoever reloads the page of the secret registers nothing."""
    visitor = enter().get("/admin/application/new")
    form = FilledForm(visitor.page.text, "reason")
    data = form.values | {"client_name": "Notes", "redirect_uris": CALLBACK, "reason": REASON}
    assert visitor.go("POST", form.action, data).status == 200
    assert visitor.go("POST", form.action, data).status == 400
    assert len(place.rows(Client)) == 1


def test_an_application_is_changed_and_the_record_says_from_what_to_what(place: Place, enter: Enter) -> None:
    """F103: before and after; what is taken away is refused at once, as ever."""
    place.add_application()
    visitor = enter().get("/admin/application/?id=notes")
    send(visitor, redirect_uris="https://notes.example/new", client_name="Our notes")
    assert visitor.path == "/admin/applications/"
    event = place.rows(AuditEvent, AuditEvent.name == "client:changed")[-1]
    assert event.details["changed"] == {
        "client_name": {"before": "Notes", "after": "Our notes"},
        "redirect_uris": {"before": [CALLBACK], "after": ["https://notes.example/new"]},
    }
    assert (event.actor, event.details["reason"]) == ("the-administrator", REASON)
    assert registered(place, "notes").first_party, "what the form shows and nobody touched stays"
    visitor.get("/admin/application/?id=notes")
    send(visitor, redirect_uris="http://notes.example/")
    assert visitor.status == 400
    assert registered(place, "notes").redirect_uris == ("https://notes.example/new",)


def test_two_secrets_overlap_for_as_long_as_was_chosen(place: Place, enter: Enter) -> None:
    """C107: rotation with overlap; and at once, when others may know the old one."""
    place.add_application()
    visitor = enter().get("/admin/application/secret?id=notes")
    send(visitor, overlap="1")
    second = shown_once(visitor)
    assert "The secret before is good until" in visitor.text
    assert [basic(place, "notes", secret) for secret in (CLIENT_SECRET, second)] == [400, 400]
    place.clock.move(hours=25)
    assert [basic(place, "notes", secret) for secret in (CLIENT_SECRET, second)] == [401, 400]
    visitor = enter().get("/admin/application/secret?id=notes")
    form = FilledForm(visitor.page.text, "reason")
    data = form.values | {"reason": REASON, "overlap": "0"}
    third = shown_once(visitor.go("POST", form.action, data))
    assert [basic(place, "notes", secret) for secret in (second, third)] == [401, 400]
    assert visitor.go("POST", form.action, data).status == 400, "a reload makes no fourth"
    assert basic(place, "notes", third) == 400
    assert place.rows(AuditEvent, AuditEvent.name == "client:changed")[-1].details["reason"] == REASON


def test_an_application_is_disabled_and_enabled(place: Place, enter: Enter) -> None:
    """C107: at once; with a reason."""
    place.add_application()
    visitor = enter().get("/admin/application/switch?id=notes")
    assert "Nobody can sign in to it" in visitor.text
    send(visitor)
    assert basic(place, "notes", CLIENT_SECRET) == 401
    assert "disabled" in visitor.get(PAGE).text
    send(visitor.get("/admin/application/switch?id=notes"))
    assert basic(place, "notes", CLIENT_SECRET) == 400
    found = [
        row.details["changed"]["enabled"]
        for row in place.rows(AuditEvent, AuditEvent.name == "client:changed")
    ]
    assert found == [{"before": True, "after": False}, {"before": False, "after": True}]


def test_only_administrators_register_and_only_with_a_fresh_factor(place: Place, enter: Enter) -> None:
    """F102: an application takes tokens; others see it without the ways to change it."""
    place.add_application()
    reader = enter("reader").get(PAGE)
    assert "Client id" in reader.text
    assert "/admin/application/secret" not in reader.page.text
    assert reader.get("/admin/application/errors?id=notes").status == 200
    visitor = enter().get("/admin/application/secret?id=notes")
    place.clock.move(minutes=6)
    send(visitor)
    assert visitor.status == 400
    assert "Please confirm that it is you" in visitor.text
    assert basic(place, "notes", CLIENT_SECRET) == 400
    for page in ("", "secret", "switch", "dismiss", "errors"):
        assert enter().get(f"/admin/application/{page}?id=%00nobody").status in (400, 404)


# Applications at risk


def put_at_risk(place: Place, *, network: int = 0, burst: str = "") -> None:
    """Let something be found about the application: a strange network, far too many requests, or both."""
    place.add_application()
    with place.arranging():
        now = clock.now()
        if network:
            row = {"first_at": now, "last_at": now, "times": 3, "risk_level": network}
            session().add(ClientNetwork(client_id="notes", asn=64500, **row))
        if burst:
            workloads.observe_burst("notes", burst, 2000)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, []),
        ({"network": 1}, ["3 times from AS64500"]),
        ({"burst": "reads"}, ["read far more at the API"]),
        ({"network": 3, "burst": "acts"}, ["3 times from AS64500", "acted far more at the API"]),
    ],
)
def test_an_application_at_risk_is_told_in_its_list_and_on_its_page(
    place: Place, enter: Enter, found: dict[str, Any], words: list[str]
) -> None:
    """F019, F020: with the level that the engine says, and why; a filter finds it."""
    put_at_risk(place, **found)
    with place.app.app_context():
        level = workloads.risk("notes").label
        assert len(workloads.reasons("notes")) == len(words)
    visitor = enter("reader").get("/admin/applications/?level=low")
    assert ("notes" in visitor.text, "Nothing" in visitor.text) == (bool(found), not found)
    (row,) = json.loads(visitor.get("/admin/applications/export.json?q=notes").page.text)
    assert row["level"] == level
    visitor.get(PAGE)
    assert ("Somebody else may have its credentials" in visitor.text) == bool(found)
    for word in words:
        assert word in visitor.text
    assert "/admin/application/dismiss" not in visitor.page.text, "a reader looks"


def test_the_risk_of_an_application_is_dismissed_with_a_reason(place: Place, enter: Enter) -> None:
    """F020: everything that it was held at risk for; by administrators alone."""
    put_at_risk(place, network=2, burst="reads")
    assert enter("operator").get("/admin/application/dismiss?id=notes").status == 403
    visitor = enter().get(PAGE)
    assert "/admin/audit/?actor=client:notes" in visitor.page.text
    visitor.get("/admin/application/secret?id=notes")
    assert FilledForm(visitor.page.text, "reason").values["overlap"] == "0", "whoever has the old one is out"
    visitor.get("/admin/application/dismiss?id=notes")
    assert "3 times from AS64500" in visitor.text
    send(visitor)
    assert visitor.path == PAGE
    assert "Somebody else may have" not in visitor.text
    (told,) = place.rows(AuditEvent, AuditEvent.name == "client:dismissed")
    assert (told.actor, told.details["reason"], told.details["asns"], told.details["bursts"]) == (
        "the-administrator",
        REASON,
        [64500],
        ["reads"],
    )
    send(visitor.get("/admin/application/dismiss?id=notes"))
    assert visitor.status == 400
    assert "not at risk" in visitor.text


# Programs to paste


def test_programs_have_the_real_values_and_no_secret(place: Place, enter: Enter) -> None:
    """C107: Flask, Django, Node, curl; each is a whole program of its language."""
    place.add_application()
    visitor = enter("reader").get(PAGE)
    for value in ("Authlib", "mozilla-django-oidc", "openid-client", "curl", "OIDC_CLIENT_SECRET"):
        assert value in visitor.text
    assert CLIENT_SECRET not in visitor.page.text
    programs = programs_of(visitor)
    for label, text in programs.items():
        assert place.url in text, label
        assert '"notes"' in text or "notes" in text, label
    assert CALLBACK in programs["Flask with Authlib"]
    for label in ("Flask with Authlib", "Django with mozilla-django-oidc"):
        ast.parse(programs[label])


@pytest.mark.parametrize("client_id", ["notes", 'it\'s "$(odd)" `id` \\'])
def test_an_odd_id_breaks_out_of_no_program(place: Place, enter: Enter, client_id: str) -> None:
    """Whoever registers an application does not get to run something where it is pasted, nor on our page."""
    with place.arranging():
        registration = Registration(client_name="<script>alert(1)</script>", redirect_uris=(CALLBACK,))
        clients.create(registration, by="test", client_id=client_id)
    from urllib.parse import quote

    visitor = enter("reader").get(f"/admin/applications/{quote(client_id)}")
    assert "<script>alert" not in visitor.page.text
    programs = programs_of(visitor)
    tree = ast.parse(programs["Flask with Authlib"])
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert client_id in strings
    shell = subprocess.run(["bash", "-n"], input=programs["curl"], text=True, capture_output=True)
    assert shell.returncode == 0, shell.stderr
    words = subprocess.run(
        [
            "bash",
            "-c",
            "curl() { printf '%s\\n' \"$@\"; }; OIDC_CLIENT_SECRET=s; openssl() { :; }; CODE=c\n"
            + programs["curl"].replace("read -r", ": read -r"),
        ],
        text=True,
        capture_output=True,
    )
    assert f"client_id={quote(client_id, safe='')}".replace("%20", "+") in words.stdout.replace("%20", "+")
    assert "odd)" not in words.stdout.replace(quote(client_id), "")


def programs_of(visitor: Visitor) -> dict[str, str]:
    """Return the programs of the page."""
    from html import unescape

    found = re.findall(r"<summary>([^<]+)</summary><pre[^>]*>(.*?)</pre>", visitor.page.text, re.S)
    return {unescape(label): unescape(text) for label, text in found}


# Last errors


def test_the_last_errors_are_told_with_what_to_do(place: Place, enter: Enter) -> None:
    """C107: what failed, how the specification calls it, how to mend it."""
    place.add_application()
    browser = place.browser()
    browser.ask_for_a_code(redirect_uri="https://notes.example/callback/?code=secret-of-somebody")
    browser.ask_for_a_code(scope="openid payments")
    browser.get(
        "/authorize?"
        + "&".join(f"{k}={v}" for k, v in authorization("openid").items() if "challenge" not in k)
    )
    browser.ask_for_a_code(redirect_uri="https://evil.example/<script>alert(1)</script>")
    basic(place, "notes", "a wrong secret of the application")
    basic(place, "notes", CLIENT_SECRET)
    visitor = enter("reader").get("/admin/application/errors?id=notes")
    for words in (
        "The redirect URI is not registered for this application",
        "It sent https://notes.example/callback/ ; registered is https://notes.example/callback",
        "invalid_scope",
        "The request came without PKCE",
        "RFC 7636 section 4.4.1",
        "invalid_client",
        "look for a secret that was rotated",
        "invalid_grant",
    ):
        assert words in visitor.text, visitor.text
    assert "&lt;script&gt;alert" in visitor.page.text, "as text"
    assert "<script>alert" not in visitor.page.text
    assert "Last errors (6)" in visitor.get(PAGE).text


def test_no_secret_code_or_query_is_kept_with_an_error(place: Place) -> None:
    """Neither what was sent nor what was quoted: errors are read by people."""
    place.add_application()
    browser = place.browser()
    odd = "https://evil.example/cb?code=very-secret-code#token=very-secret-token"
    browser.ask_for_a_code(redirect_uri=odd)
    browser.ask_for_a_code(response_type="very-secret-type")
    browser.ask_for_a_code(scope="openid very-secret-scope")
    data = {
        "grant_type": "very-secret-grant",
        "code": "very-secret-code",
        "client_id": "notes",
        "client_secret": CLIENT_SECRET,
    }
    browser.send("POST", "/token", data)
    assert len(place.rows(ClientError)) >= 3
    for row in place.rows(ClientError):
        kept = f"{row.error} {row.description} {row.sent}"
        assert "very-secret" not in kept, kept
        assert CLIENT_SECRET not in kept


def test_ordinary_answers_and_strangers_are_no_errors(place: Place) -> None:
    """login_required is what prompt=none is for; a client that does not exist has no page."""
    place.add_application()
    browser = place.browser()
    browser.ask_for_a_code(prompt="none")
    for client_id in ("nobody", "x" * 300, "%00", ""):
        browser.get(f"/authorize?client_id={client_id}&response_type=code")
    assert place.rows(ClientError) == []


def test_a_flood_of_errors_stays_few_rows(place: Place) -> None:
    """Anybody can make requests in its name: what repeats is one row, and new kinds are few in a minute, 50 in all."""
    place.add_application()
    browser = place.browser()
    for _ in range(5):
        browser.ask_for_a_code(redirect_uri="https://evil.example/same")
    (row,) = place.rows(ClientError)
    assert row.times == 1, "within a second"
    place.clock.move(seconds=2)
    browser.ask_for_a_code(redirect_uri="https://evil.example/same")
    assert place.rows(ClientError)[0].times == 2
    for number in range(3 * client_errors.NEW_IN_A_MINUTE):
        browser.ask_for_a_code(redirect_uri=f"https://evil.example/{number}")
    assert len(place.rows(ClientError)) == client_errors.NEW_IN_A_MINUTE
    with place.arranging():
        for number in range(2 * client_errors.MOST):
            place.clock.move(seconds=10)
            client_errors.note("notes", "authorize", "invalid_request", f"kind {number}")
    rows = place.rows(ClientError)
    assert len(rows) == client_errors.MOST
    assert f"kind {2 * client_errors.MOST - 1}" in {row.description for row in rows}
    assert max(row.last_at for row in rows) - min(row.last_at for row in rows) < timedelta(minutes=10)


def test_an_error_that_cannot_be_noted_changes_no_answer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page of errors is a comfort; the protocol goes on without it."""
    from sqlalchemy.exc import OperationalError

    place.add_application()

    def broken(*_: object) -> None:
        raise OperationalError("", {}, Exception("locked"))

    monkeypatch.setattr(client_errors, "_note", broken)
    assert basic(place, "notes", CLIENT_SECRET) == 400


def test_every_fault_is_explained() -> None:
    """No page without words: each error has an explanation whatever its description says."""
    for error in explanations.FAULTS:
        assert explain(error, "something that nobody thought of").mend
