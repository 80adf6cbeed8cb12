"""Section 7 of the security requirements: what must refuse at the next use, in every process, artifact by artifact.

The events happen in one process, the artifacts are used in another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import delete

from idprotect import clients, consents, protection, sessions, users
from idprotect.local_directory import LocalDirectory
from idprotect.models import SignIn, User, UserFacts, session
from tests.oidc.server import Application, Person, Server, error_of, user_of

NEW_PASSWORD = "eleven loud gulls under tin"
ALL = {"session", "code", "access token", "refresh token"}
NOTHING: set[str] = set()


@dataclass
class Held:
    """Everything that one sign-in has given out."""

    person: Person
    application: Application
    code: str
    tokens: dict[str, Any]

    def alive(self) -> set[str]:
        """Use each artifact once, and return those that still work; what one process says must hold in all."""
        application = self.application
        found = set()
        if "code" in application.ask(self.person, prompt="none"):
            found.add("session")
        # Access tokens before the rest: a code or refresh token that is tried twice takes them along.
        userinfo = application.userinfo(self.tokens["access_token"])
        assert userinfo.status_code in (200, 401)
        assert self.introspected("access_token") in (userinfo.status_code == 200, None)
        if userinfo.status_code == 200:
            found.add("access token")
        said = self.introspected("refresh_token")
        refreshed = application.refresh(self.tokens["refresh_token"])
        assert said in (refreshed.status_code == 200, None)
        if refreshed.status_code == 200:
            found.add("refresh token")
            self.tokens = refreshed.get_json()
        else:
            assert error_of(refreshed) in ((400, "invalid_grant"), (401, "invalid_client"))
        redeemed = application.redeem(self.code)
        if redeemed.status_code == 200:
            found.add("code")
        else:
            assert error_of(redeemed) in ((400, "invalid_grant"), (401, "invalid_client"))
        return found

    def introspected(self, kind: str) -> bool | None:
        """Return whether introspection calls a token active; public clients are not told."""
        if self.application.method == "none":
            return None
        answer = self.application.post("/introspect", token=self.tokens[kind])
        return answer.get_json().get("active") is True


def hold(
    server: Server,
    application: Application | None = None,
    *,
    authenticators: tuple[str, ...] = (),
    **traits: Any,
) -> Held:
    """Sign somebody in, and get everything that there is."""
    application = application or server.application()
    person = server.person(authenticators=authenticators, **traits).sign_in()
    person.go(application.url())
    if person.step == "consent":
        person.submit(button="allow")
    return Held(person, application, application.code(person), application.tokens(person))


def test_without_an_event_everything_works(server: Server) -> None:
    """The yardstick of this module: each artifact is alive, and stays so beside the others."""
    assert hold(server).alive() == ALL
    assert hold(server, server.application(public=True, first_party=False)).alive() == ALL


# Users


def disable(server: Server, person: Person) -> None:
    """Disable the user."""
    server.act(users.set_enabled, person.username, False, "admin")


def confirm_compromised(server: Server, person: Person) -> None:
    """Confirm the compromise, and end the sessions."""
    server.act(protection.confirm_compromised, person.username, "admin", "seen in a leak")


def set_temporary_password(server: Server, person: Person) -> None:
    """Set a temporary password."""
    server.act(users.set_temporary_password, person.username, "admin")


def revoke_sessions(server: Server, person: Person) -> None:
    """End the sessions from the command line."""
    result = server.cli("user", "revoke-sessions", person.username, "--reason", "a test")
    assert result.exit_code == 0, result.output


def end_one_session(server: Server, person: Person) -> None:
    """End this one session."""
    with server.arranging():
        sessions.end(session().get_one(SignIn, server.sign_in_of(person).id), "ended_by_admin")


def report_by_the_user(server: Server, person: Person) -> None:
    """Let the user say "this was not me" about it."""
    server.act(protection.report, person.username, "a sign-in")


def confirm_sign_in_compromised(server: Server, person: Person) -> None:
    """Confirm that this sign-in was not by its owner."""
    with server.arranging():
        sign_in = session().get_one(SignIn, server.sign_in_of(person).id)
        protection.confirm_sign_in_compromised(user_of(person), sign_in, "admin")


def change_password_elsewhere(server: Server, person: Person) -> None:
    """Change the password in another browser."""
    elsewhere = Person(server, person.user_id, person.username).sign_in()
    elsewhere.go("/account/password").submit(
        {"current": "seven quiet herons over slate", "new": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    )
    assert elsewhere.go("/account").step == "/account"


def sign_out(server: Server, person: Person) -> None:
    """Sign out in this browser."""
    person.go("/sign-out").submit(action="sign-out")


def delete_the_user(server: Server, person: Person) -> None:
    """Delete the user's row, with nothing else."""
    with server.arranging():
        session().execute(delete(User).where(User.id == person.user_id))


USER_EVENTS = [
    disable,
    confirm_compromised,
    set_temporary_password,
    revoke_sessions,
    end_one_session,
    report_by_the_user,
    confirm_sign_in_compromised,
    change_password_elsewhere,
    sign_out,
    delete_the_user,
]


@pytest.mark.parametrize("event", USER_EVENTS)
def test_an_event_about_the_user_ends_everything(
    server: Server, event: Callable[[Server, Person], None]
) -> None:
    """Section 7, A 7.4.2, 7.4.3, 8.3.2: session, code, access and refresh token refuse at the next use."""
    held, bystander = hold(server), hold(server)
    event(server, held.person)
    assert held.alive() == NOTHING
    assert held.application.ask(held.person, prompt="none")["error"] == "login_required"
    assert bystander.alive() == ALL


UNDONE: list[tuple[Callable[[Server, Person], None], Callable[[Server, Person], Any]]] = [
    (disable, lambda server, person: server.act(users.set_enabled, person.username, True, "admin")),
    (
        confirm_compromised,
        lambda server, person: server.act(protection.dismiss, person.username, "admin", "void"),
    ),
    (
        confirm_compromised,
        lambda server, person: server.act(protection.confirm_safe, person.username, "admin", "is"),
    ),
    (
        report_by_the_user,
        lambda server, person: server.act(protection.dismiss, person.username, "admin", "void"),
    ),
]


@pytest.mark.parametrize(("event", "undo"), UNDONE)
def test_what_is_undone_opens_the_way_but_revives_nothing(
    server: Server, event: Callable[[Server, Person], None], undo: Callable[[Server, Person], Any]
) -> None:
    """Section 7: unblock, dismiss: flows open again, old artifacts stay dead."""
    held = hold(server)
    event(server, held.person)
    undo(server, held.person)
    assert held.alive() == NOTHING
    held.person.go(held.application.url()).sign_in()
    assert "code" in held.person.answer


def test_a_user_at_risk_is_stopped_everywhere_and_goes_on_after_the_dismissal(server: Server) -> None:
    """Product 4, F109: where the administrator left the sessions alone, nothing is revoked, only refused meanwhile."""
    held = hold(server, authenticators=("totp",))
    confirm = protection.confirm_compromised
    server.act(confirm, held.person.username, "admin", "not sure", end_sessions=False)
    for _ in range(2):
        assert held.alive() == NOTHING
    assert held.application.ask(held.person, prompt="none")["error"] == "interaction_required"
    server.act(protection.dismiss, held.person.username, "admin", "false alarm")
    assert held.alive() == ALL - {"code"}, "the code was used up when it was refused"


def suberror_of(response: Any) -> str:
    """Return what is missing, as a refused grant says it."""
    assert error_of(response) == (400, "invalid_grant")
    return str(response.get_json()["suberror"])


@pytest.mark.parametrize(
    ("authenticators", "suberror"), [(("totp",), "interaction_required"), ((), "access_denied")]
)
def test_a_refused_grant_says_what_is_missing(
    server: Server, authenticators: tuple[str, ...], suberror: str
) -> None:
    """F109: the suberror is that of ``prompt=none``, stable, for refresh tokens and codes; both work after the cure."""
    held = hold(server, authenticators=authenticators)
    application, refresh_token = held.application, held.tokens["refresh_token"]
    confirm = protection.confirm_compromised
    server.act(confirm, held.person.username, "admin", "not sure", end_sessions=False)
    assert application.ask(held.person, prompt="none")["error"] == suberror
    assert suberror_of(application.refresh(refresh_token)) == suberror
    assert suberror_of(application.redeem(held.code)) == suberror
    server.act(protection.dismiss, held.person.username, "admin", "false alarm")
    assert application.refresh(refresh_token).status_code == 200


def test_a_grant_of_an_ended_sign_in_wants_another(server: Server) -> None:
    """F109: nothing but a new sign-in helps, and the suberror says so."""
    held = hold(server)
    sign_out(server, held.person)
    assert suberror_of(held.application.refresh(held.tokens["refresh_token"])) == "login_required"


def test_a_token_that_is_used_up_has_no_suberror(server: Server) -> None:
    """F109: there is nothing that its user could do."""
    held = hold(server)
    assert "suberror" not in held.application.refresh("unknown").get_json()


def test_a_compromised_user_recovers_and_only_the_acting_session_goes_on(server: Server) -> None:
    """Section 7, F110: the secure password change ends all others; the one that did it has a new id."""
    held, elsewhere = hold(server, authenticators=("totp",)), None
    elsewhere = Person(server, held.person.user_id, held.person.username).sign_in()
    held_elsewhere = Held(
        elsewhere, held.application, held.application.code(elsewhere), held.application.tokens(elsewhere)
    )
    server.act(protection.confirm_compromised, held.person.username, "admin", "leak", end_sessions=False)
    before = held.person.http.get_cookie("__Host-idprotect-session", domain="id.example")
    held.person.go(held.application.url()).prove()
    assert held.person.step == "password_change"
    held.person.submit(
        {"current": "seven quiet herons over slate", "new": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    )
    assert "code" in held.person.answer
    after = held.person.http.get_cookie("__Host-idprotect-session", domain="id.example")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert held.alive() == ALL
    assert held_elsewhere.alive() == NOTHING


def test_a_policy_that_blocks_stops_what_would_be_issued_at_once_and_what_is_out_in_ten_minutes(
    server: Server,
) -> None:
    """I2: a user without risk who falls under a new policy gets nothing more; access tokens end by their age."""
    held = hold(server)
    server.act(lambda user: setattr(user, "groups", ["unwanted"]), held.person.username)
    assert not held.alive() & {"session", "code"}
    assert held.application.ask(held.person, prompt="none")["error"] == "access_denied"
    assert error_of(held.application.refresh(held.tokens["refresh_token"])) == (400, "invalid_grant")
    server.clock.move(minutes=10, seconds=1)
    assert error_of(held.application.userinfo(held.tokens["access_token"])) == (401, "invalid_token")


def test_a_user_whom_the_host_application_disables_is_refused_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Section 7: our row is a shadow of the host's, and is looked after before a token is believed."""
    held = hold(server)

    def refreshed(self: LocalDirectory, user: UserFacts) -> UserFacts:
        if user.id == held.person.user_id:
            user.enabled = False
        return user

    monkeypatch.setattr(LocalDirectory, "refreshed", refreshed)
    assert held.application.userinfo(held.tokens["access_token"]).status_code == 401
    assert held.alive() == NOTHING


def test_a_password_change_keeps_what_the_acting_session_gave(server: Server) -> None:
    """A 7.4.3: all other sessions end, the acting one goes on under a new id."""
    held = hold(server)
    held.person.go("/account/password").submit(
        {"current": "seven quiet herons over slate", "new": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    )
    assert held.alive() == ALL


def test_one_session_ends_without_the_others(server: Server) -> None:
    """A 7.4.5: what belongs to another sign-in of the same user goes on."""
    held = hold(server)
    elsewhere = Person(server, held.person.user_id, held.person.username)
    server.clock.move(seconds=1)
    other = Held(
        elsewhere, held.application, held.application.code(elsewhere), held.application.tokens(elsewhere)
    )
    end_one_session(server, elsewhere)
    assert other.alive() == NOTHING
    assert held.alive() == ALL


def test_a_session_that_idles_out_keeps_its_refresh_tokens(server: Server) -> None:
    """C 11: offline access is for the time in which the user is away; the browser has to sign in again."""
    held = hold(server)
    server.clock.move(hours=2)
    alive = held.alive()
    assert "session" not in alive
    assert "refresh token" in alive


def test_what_waits_for_a_user_is_stopped_too(server: Server) -> None:
    """Section 7: pending authorizations ask the gate anew."""
    held = hold(server)
    waiting = held.person.go(held.application.url(prompt="consent")).path.split("/")[2]
    confirm_compromised(server, held.person)
    assert held.person.go(f"/authorize/{waiting}").step == "sign_in"
    held.person.sign_in()
    assert held.person.step == "block"


# Clients


def disable_client(server: Server, application: Application) -> None:
    """Disable the client."""
    assert server.cli("client", "disable", application.id).exit_code == 0


def disable_and_enable_client(server: Server, application: Application) -> None:
    """Disable the client for a moment."""
    disable_client(server, application)
    assert server.cli("client", "enable", application.id).exit_code == 0


def rotate_secret(server: Server, application: Application) -> None:
    """Give the client a new secret, which it uses from now on."""
    with server.arranging():
        application.secret = clients.rotate_secret(application.row(), "admin")


def remove_redirect_uri(server: Server, application: Application) -> None:
    """Replace the redirect URI."""
    new = "https://app.example/new"
    assert server.cli("client", "change", application.id, "--redirect-uri", new).exit_code == 0


def remove_scope(server: Server, application: Application) -> None:
    """Take a scope away."""
    scopes = ("--scope", "openid", "--scope", "profile", "--scope", "offline_access")
    assert server.cli("client", "change", application.id, *scopes).exit_code == 0


def remove_scope_by_hand(server: Server, application: Application) -> None:
    """Take a scope away in the table."""
    with server.arranging():
        application.row().scopes = ["openid", "offline_access"]


def disable_client_by_hand(server: Server, application: Application) -> None:
    """Disable the client in the table."""
    with server.arranging():
        application.row().enabled = False


def delete_client(server: Server, application: Application) -> None:
    """Delete the client's row."""
    with server.arranging():
        session().delete(application.row())


CLIENT_EVENTS = [
    disable_client,
    disable_and_enable_client,
    rotate_secret,
    remove_redirect_uri,
    remove_scope,
    remove_scope_by_hand,
    disable_client_by_hand,
    delete_client,
]


@pytest.mark.parametrize("event", CLIENT_EVENTS)
def test_an_event_about_the_client_ends_what_it_holds(
    server: Server, event: Callable[[Server, Application], None]
) -> None:
    """Section 7, A 8.3.2: code, access and refresh token of this client refuse; the user's session goes on elsewhere."""
    held = hold(server)
    other = server.application()
    others = Held(held.person, other, other.code(held.person), other.tokens(held.person))
    server.clock.move(seconds=1)
    event(server, held.application)
    application = held.application
    assert application.userinfo(held.tokens["access_token"]).status_code == 401
    assert application.refresh(held.tokens["refresh_token"]).status_code in (400, 401)
    assert application.redeem(held.code).status_code in (400, 401)
    introspected = application.post("/introspect", token=held.tokens["access_token"])
    assert introspected.get_json().get("active") is not True
    assert others.alive() == ALL


@pytest.mark.parametrize("event", [disable_and_enable_client, rotate_secret])
def test_a_client_that_changed_gets_new_artifacts(
    server: Server, event: Callable[[Server, Application], None]
) -> None:
    """Section 7: the old ones stay dead, the way is open."""
    held = hold(server)
    event(server, held.application)
    server.clock.move(seconds=1)
    new = Held(
        held.person,
        held.application,
        held.application.code(held.person),
        held.application.tokens(held.person),
    )
    assert new.alive() == ALL
    assert held.application.userinfo(held.tokens["access_token"]).status_code == 401


def test_the_old_secret_is_refused_at_once(server: Server) -> None:
    """A 13.3.4: no overlap that nobody asked for."""
    application = server.application()
    old = application.secret
    rotate_secret(server, application)
    new, application.secret = application.secret, old
    assert error_of(application.refresh("x")) == (401, "invalid_client")
    application.secret = new
    assert error_of(application.refresh("x")) == (400, "invalid_grant")


def test_a_client_that_only_gains_keeps_what_it_holds(server: Server) -> None:
    """An additional redirect URI is no reason to sign everybody in again."""
    application = server.application(scope="openid profile email offline_access")
    held = hold(server, application)
    server.clock.move(seconds=1)
    with server.arranging():
        row = application.row()
        registered = clients.registration_of(row)
        more = (*registered.redirect_uris, "https://app.example/new")
        clients.change(row, replace(registered, redirect_uris=more), "admin")
    assert held.alive() == ALL


# Consents


@pytest.mark.parametrize("by", ["the user", "the table"])
def test_a_consent_that_is_revoked_ends_what_came_of_it(server: Server, by: str) -> None:
    """Section 7, A 10.7.3: code, access and refresh token of this application for this user, and nothing else."""
    application = server.application(first_party=False)
    held, bystander = hold(server, application), hold(server, application)
    other = server.application()
    others = Held(held.person, other, other.code(held.person), other.tokens(held.person))
    if by == "the user":
        held.person.go("/account").submit(action=f"/account/consents/{application.id}/revoke")
    else:
        server.act(consents.revoke, held.person.username, application.id)
    assert held.alive() == NOTHING
    assert application.ask(held.person, prompt="none")["error"] == "consent_required"
    assert held.person.go(application.url()).step == "consent"
    assert bystander.alive() == ALL
    assert others.alive() == ALL


def test_somebody_else_cannot_revoke_a_consent(server: Server) -> None:
    """A 8.2.2: the form is bound to its user, and the consent is the user's own."""
    application = server.application(first_party=False)
    held, thief = hold(server, application), hold(server, application)
    thief.person.go("/account").submit(action=f"/account/consents/{application.id}/revoke")
    assert held.alive() == ALL
