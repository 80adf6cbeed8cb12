"""The client credentials grant: an application acts for itself, at our own interfaces, and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest

from idprotect import clients
from idprotect.errors import InteractionError
from idprotect.registration import Registration
from tests.oidc.server import Application, Person, Server, error_of

FINDINGS = "idprotect:findings"


def service(server: Server, **options: object) -> Application:
    """Register an application that acts for itself."""
    given = {"grant_types": ("client_credentials",), "scope": FINDINGS, **options}
    with server.arranging():
        client, secret = clients.create(Registration(client_name="SIEM", **given), by="test")
        return Application(server, client.id, secret or "", client.token_endpoint_auth_method, "")


def token_of(application: Application, scope: str = FINDINGS) -> str:
    answer = application.post("/token", grant_type="client_credentials", scope=scope)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["access_token"])


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_confidential_client_gets_an_access_token_and_nothing_more(server: Server, method: str) -> None:
    """O 6749 4.4.3: no refresh token, no ID token; minutes to live; never stored."""
    answer = service(server, token_endpoint_auth_method=method).post(
        "/token", grant_type="client_credentials", scope=FINDINGS
    )
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()
    assert told.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 600, FINDINGS)
    assert len(told["access_token"]) >= 43


def test_it_says_of_itself_whose_it_is(server: Server) -> None:
    """O 7662 2.2: the subject is the client; another client hears that it is not active."""
    siem, other = service(server), service(server)
    token = token_of(siem)
    told = siem.introspect(token)
    assert (told["active"], told["sub"], told["client_id"], told["scope"]) == (
        True,
        siem.id,
        siem.id,
        FINDINGS,
    )
    assert "username" not in told
    assert other.introspect(token) == {"active": False}


def test_it_can_be_given_back(server: Server) -> None:
    """O 7009."""
    siem = service(server)
    token = token_of(siem)
    assert siem.post("/revoke", token=token).status_code == 200
    assert siem.introspect(token) == {"active": False}


def test_it_is_nobody_at_userinfo(server: Server) -> None:
    """stack-notes 3.3: there is no user behind it, and no error of ours."""
    siem = service(server)
    assert error_of(siem.userinfo(token_of(siem))) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("scope", "registered"),
    [
        ("", FINDINGS),
        ("openid", f"{FINDINGS} openid"),
        (f"{FINDINGS} profile", f"{FINDINGS} profile"),
        (FINDINGS, ""),
        ("idprotect:everything", FINDINGS),
        ("idprotect:step-up", FINDINGS),
    ],
)
def test_scopes_are_those_it_is_registered_for_and_no_user_s(
    server: Server, scope: str, registered: str
) -> None:
    """A 10.4.11: invalid_scope for what it may not have, and for what only a user can give."""
    siem = service(server, scope=registered)
    answer = siem.post("/token", grant_type="client_credentials", scope=scope)
    assert error_of(answer) == (400, "invalid_scope")


def test_whoever_is_not_registered_for_the_grant_is_refused(server: Server, application: Application) -> None:
    """A 10.4.4: grants per client."""
    answer = application.post("/token", grant_type="client_credentials", scope=FINDINGS)
    assert error_of(answer) == (400, "unauthorized_client")


def test_wrong_credentials_are_refused(server: Server) -> None:
    """O 6749 5.2."""
    siem = service(server)
    siem.secret = "wrong" * 10
    answer = siem.post("/token", grant_type="client_credentials", scope=FINDINGS)
    assert error_of(answer) == (401, "invalid_client")


def test_a_public_client_cannot_act_for_itself(server: Server) -> None:
    """O 6749 4.4: confidential clients only; neither at registration nor at the endpoint."""
    with pytest.raises(InteractionError, match="public client"):
        service(server, token_endpoint_auth_method="none")
    public = service(
        server,
        token_endpoint_auth_method="none",
        redirect_uris=("https://app.example/callback",),
        grant_types=("authorization_code",),
        scope="openid",
    )
    with server.arranging():
        public.row().grant_types = ["client_credentials"]
        public.row().scopes = [FINDINGS]
    answer = public.post("/token", grant_type="client_credentials", scope=FINDINGS)
    assert error_of(answer) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"scope": "idprotect:everything"}, "no scope"),
        (
            {"grant_types": ("authorization_code",), "redirect_uris": ("https://a.example/cb",)},
            "needs the grant",
        ),
        ({"grant_types": ("authorization_code",), "scope": "openid"}, "redirect URI"),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused(
    server: Server, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InteractionError, match=reason):
        service(server, **options)


def test_no_user_can_give_a_scope_of_ours_away(server: Server, signed_in: Person) -> None:
    """A token that stands for a user never opens an interface for applications."""
    both = service(
        server,
        grant_types=("authorization_code", "client_credentials"),
        scope=f"openid {FINDINGS}",
        redirect_uris=("https://app.example/callback",),
        first_party=True,
    )
    both.redirect_uri = "https://app.example/callback"
    assert both.ask(signed_in, scope=f"openid {FINDINGS}")["error"] == "invalid_scope"
    assert both.ask(signed_in, scope=FINDINGS)["error"] == "invalid_scope"
    assert "code" in both.ask(signed_in, scope="openid")


@pytest.mark.parametrize("what", ["expired", "disabled", "secret", "scope", "grant"])
def test_a_token_is_as_good_as_its_client_is_now(server: Server, what: str) -> None:
    """I2, A 7.4.2: at the next use, on every worker."""
    siem = service(server)
    token = token_of(siem)
    if what == "expired":
        server.clock.move(seconds=601)
    with server.arranging():
        if what == "disabled":
            clients.set_enabled(siem.row(), False, "test")
            clients.set_enabled(siem.row(), True, "test")
        elif what == "secret":
            siem.secret = clients.rotate_secret(siem.row(), "test")
        elif what == "scope":
            clients.change(siem.row(), replace(clients.registration_of(siem.row()), scope=""), "test")
        elif what == "grant":
            siem.row().grant_types = ["authorization_code"]
    assert siem.introspect(token) == {"active": False}
