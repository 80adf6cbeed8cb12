"""The examples, over real HTTP: an application with members of its own, and an Authlib server with the hook."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask
from sqlalchemy import create_engine, inspect, text

from idprotect import protection, sessions, users
from idprotect.models import SignIn, session
from idprotect.risk import Finding, Signals
from tests.support import PROJECT
from tests.support.hosts import Host, HostBrowser, load_example, running_host
from tests.support.live import serve
from tests.support.world import (
    FIREFOX,
    HOME_ADDRESS,
    MFA_POLICY,
    OTHER_ADDRESS,
    PASSWORD,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_BLOCK,
    USER_RISK_POLICY,
    Clock,
)

NEW_PASSWORD = "eleven loud gulls under tin"
ANN, BEN = "ann@example.org", "ben@example.org"


class Club(Host):
    """The example with members of its own."""

    module: ModuleType

    def take_in(self, email: str = ANN, name: str = "Ann Archer", **traits: Any) -> int:
        """Make a member; return the id."""
        with self.arranging():
            member = self.module.Member(email=email, name=name, **traits)
            member.set_password(PASSWORD)
            self.module.db.session.add(member)
            self.module.db.session.commit()
            return int(member.id)

    def change(self, **traits: Any) -> None:
        """Change columns of Ann."""
        with self.arranging():
            member = self.member()
            for name, value in traits.items():
                setattr(member, name, value)

    def member(self, email: str = ANN) -> Any:
        """Return a member; call it in ``arranging``."""
        db = self.module.db
        return db.session.scalar(db.select(self.module.Member).filter_by(email=email))

    def has_password(self, password: str, email: str = ANN) -> bool:
        """Whether the club's own hash is of this password."""
        with self.arranging():
            return bool(self.member(email).check_password(password))

    def add_factor(self, email: str = ANN) -> None:
        """Give a member an authenticator app."""
        with self.arranging():
            self._register(users.get(email), "totp")


class Rower(HostBrowser):
    """A member's browser."""

    def log_in(self, email: str = ANN, password: str = PASSWORD) -> "Rower":
        """Fill the club's login page."""
        self.submit({"email": email, "password": password})
        return self

    def come(self, path: str = "/members") -> "Rower":
        """Go to a page and log in on the way."""
        self.visit(path)
        assert self.at_login, self.page.url
        return self.log_in()

    @property
    def at_login(self) -> bool:
        """Whether the club's login page is shown."""
        return self.page.ok and self.heading == "Log in to the club"


def browser(club: Club, address: str = HOME_ADDRESS) -> Rower:
    """Open a fresh browser."""
    return Rower(club, address, FIREFOX)


@pytest.fixture
def make_club(tmp_path: Path, keys: Path, moved_clock: Clock) -> Iterator[Callable[..., Club]]:
    """Return a factory of clubs."""
    with ExitStack() as stack:
        count = iter(range(100))

        def make(**config: Any) -> Club:
            folder = tmp_path / f"club{next(count)}"
            folder.mkdir(mode=0o700)
            module = load_example("existing_app")
            host = stack.enter_context(
                running_host(module.create_app, folder, keys, moved_clock, relying_party=True, **config)
            )
            club = Club(host.app, host.url, host.clock, host.folder, host.relying_party_url, host.secret)
            club.module = module
            return club

        yield make


@pytest.fixture
def club(make_club: Callable[..., Club]) -> Club:
    """Run the club with one member, who has an authenticator app."""
    club = make_club()
    club.take_in()
    club.add_factor()
    return club


# Signing in at the application's own page


def test_a_member_logs_in_at_the_clubs_own_page(club: Club) -> None:
    """Without risk nothing is different from before; next keeps its query."""
    ann = browser(club).come("/members?week=3&crew=a%20b")
    assert ann.is_at("/members?week=3&crew=a%20b")
    assert "Ahoy, Ann Archer" in ann.text
    assert ann.visit("/boats").is_at("/boats")


def test_logging_in_without_having_wanted_anything_leads_to_the_members_page(club: Club) -> None:
    assert browser(club).visit("/login").log_in().is_at("/members")


def test_logging_out_ends_both_sessions(club: Club) -> None:
    ann = browser(club).come()
    ann.start()
    assert ann.is_signed_in
    ann.visit("/boats").submit({}, action="/logout")
    assert ann.visit("/boats").heading == "Log in to the club"
    ann.start()
    assert ann.at_login


def test_a_compromised_member_recovers_and_the_clubs_own_hash_changes(club: Club) -> None:
    """Notice, second factor, new password, and back to the very page with its query."""
    club.apply(USER_RISK_POLICY)
    ann, elsewhere = browser(club).come(), browser(club).come()
    club.act(protection.confirm_compromised, ANN, "admin", "seen in a leak")

    ann.come("/members?week=3&crew=a%20b")
    ann.acknowledge().prove(club.totp(ANN))
    assert ann.step == "password_change"
    ann.choose_password(NEW_PASSWORD)

    assert ann.is_at("/members?week=3&crew=a%20b")
    assert club.has_password(NEW_PASSWORD) and not club.has_password(PASSWORD)
    assert club.read(lambda user: user.risk_level, ANN) == 0
    assert elsewhere.visit("/boats").heading == "Log in to the club"
    assert elsewhere.log_in(password=PASSWORD).at_login
    assert elsewhere.log_in(password=NEW_PASSWORD).is_at("/boats")


def test_the_compromised_password_is_refused_as_the_new_one(club: Club) -> None:
    """The club's hash is asked; else the risk would be closed with the stolen password still in use."""
    club.apply(USER_RISK_POLICY)
    club.act(protection.confirm_compromised, ANN, "admin", "seen in a leak")
    ann = browser(club).come()
    ann.acknowledge().prove(club.totp(ANN))
    ann.choose_password(PASSWORD)
    assert ann.step == "password_change" and "not used here before" in ann.text
    assert club.read(lambda user: user.risk_level, ANN) > 0


def test_a_risk_that_rises_leads_from_the_page_to_its_cure_without_another_login(club: Club) -> None:
    club.apply(USER_RISK_POLICY)
    ann = browser(club).come()
    club.act(protection.confirm_compromised, ANN, "admin", "seen in a leak", end_sessions=False)
    assert ann.visit("/members").step == "notice"
    assert ann.visit("/boats").heading == "Log in to the club", (
        "the club's session is worth nothing by itself"
    )


def test_a_risky_login_opens_no_page_before_it_is_confirmed(club: Club) -> None:
    """Also not a page that is protected by the club's session alone."""
    club.apply(SIGN_IN_RISK_POLICY)
    club.list_address()
    ann = browser(club, address=TOR_ADDRESS).come("/boats")
    assert ann.step == "notice"
    assert ann.visit("/boats").heading == "Log in to the club"
    ann.log_in().acknowledge().prove(club.totp(ANN))
    assert ann.is_at("/boats")


def test_a_blocked_member_is_stopped_everywhere(club: Club) -> None:
    club.apply(USER_RISK_BLOCK)
    club.act(protection.confirm_compromised, ANN, "admin", "seen in a leak")
    ann = browser(club).come()
    assert ann.step == "block" and "blocked" in ann.heading
    assert ann.visit("/members").step == "block"
    assert ann.visit("/boats").heading == "Log in to the club"
    assert ann.start().step == "block"


def test_wrong_passwords_are_throttled_alike_for_members_and_strangers(club: Club) -> None:
    for name in (ANN, "nobody@example.org", "No Body"):
        guesser = browser(club, address=f"198.51.100.{len(name)}").visit("/login")
        for _ in range(5):
            guesser.log_in(name, "wrong")
            assert "not right" in guesser.text
        guesser.log_in(name, PASSWORD)
        assert "Too many tries" in guesser.text and "not right" not in guesser.text
    club.clock.move(minutes=16)
    assert browser(club).come().is_at("/members")


def test_many_names_from_one_address_are_throttled(make_club: Callable[..., Club]) -> None:
    club = make_club(IDPROTECT_PASSWORD_FAILURES_PER_ADDRESS=3)
    club.take_in()
    guesser = browser(club).visit("/login")
    for number in range(3):
        guesser.log_in(f"member{number}@example.org", "wrong")
    guesser.log_in()
    assert "Too many tries" in guesser.text


def test_failures_before_a_login_make_it_risky(club: Club) -> None:
    """The club's failures feed the same detector as those at our own page."""
    club.apply(SIGN_IN_RISK_POLICY)
    ann = browser(club).visit("/login")
    for _ in range(5):
        ann.log_in(password="wrong")
    club.clock.move(minutes=16)
    assert ann.log_in().step == "notice"


def test_nobody_gets_in_while_sign_ins_cannot_be_judged(make_club: Callable[..., Club]) -> None:
    class Broken:
        name = "broken"

        def detect(self, signals: Signals) -> Finding | None:
            raise RuntimeError("no data")

    club = make_club(IDPROTECT_DETECTIONS=(Broken(),))
    club.take_in()
    ann = browser(club).visit("/login").log_in()
    assert (ann.page.status_code, ann.heading) == (503, "Please try again")
    assert ann.visit("/boats").heading == "Log in to the club"


# The club's session and ours


def test_a_revoked_sign_in_takes_the_clubs_session_with_it(club: Club) -> None:
    ann = browser(club).come()
    club.act(lambda user: sessions.end_all(user.id, "revoked", actor="admin"), ANN)
    for path in ("/members", "/boats", "/password"):
        assert ann.visit(path).heading == "Log in to the club"
    assert "Log out" not in ann.visit("/").text


def test_a_session_of_the_club_without_a_sign_in_opens_nothing(club: Club) -> None:
    """From before idprotect was added, from a remember-me cookie, or forged."""
    ann = browser(club).come()
    ann.forget("idprotect-session")
    assert ann.visit("/boats").heading == "Log in to the club"
    assert ann.visit("/members").heading == "Log in to the club"
    assert ann.log_in().is_at("/members")


def test_a_sign_in_of_somebody_else_does_not_count(club: Club) -> None:
    ben_id = club.take_in(BEN, "Ben Bow")
    ann = browser(club).come()
    ann.put_into_session(_user_id=str(ben_id))
    assert ann.visit("/boats").heading == "Log in to the club"
    assert ann.visit("/members").heading == "Log in to the club"


def test_a_session_lives_on_while_pages_are_looked_at(club: Club) -> None:
    """Also pages that ask for the club's session alone, and commit nothing."""
    ann = browser(club).come()
    for _ in range(3):
        club.clock.move(minutes=50)
        assert ann.visit("/boats").is_at("/boats")
    club.clock.move(minutes=61)
    assert ann.visit("/boats").heading == "Log in to the club"


def test_a_password_changed_in_the_club_ends_other_sign_ins(club: Club) -> None:
    ann, elsewhere = browser(club).come(), browser(club).come()
    ann.visit("/password").submit({"current": PASSWORD, "new": NEW_PASSWORD})
    assert ann.is_at("/members") and "Your password was changed" in ann.text
    assert elsewhere.visit("/boats").heading == "Log in to the club"
    assert club.mails("password was changed")


def test_a_temporary_password_works_at_the_clubs_page_and_the_old_one_does_not(club: Club) -> None:
    with club.arranging():
        temporary = users.set_temporary_password(users.get(ANN), "admin")
    ann = browser(club).come()
    assert ann.at_login and "not right" in ann.text
    ann.log_in(password=temporary)
    if ann.step == "mfa":
        ann.prove(club.totp(ANN))
    assert ann.step == "password_change"
    assert browser(club).visit("/login").log_in(password=temporary).heading == "Log in to the club"
    ann.choose_password(NEW_PASSWORD, current=None)
    assert ann.is_at("/members") and club.has_password(NEW_PASSWORD)


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "/%09/evil.example", "evil", "/\u202e"],
)
def test_next_leads_to_no_other_site(club: Club, target: str) -> None:
    ann = browser(club)
    ann.get(club.site + "/login", params={"next": target.replace("%09", "\t")})
    assert ann.log_in().is_at("/members")


def test_our_own_sign_in_page_gives_way_to_the_clubs(club: Club) -> None:
    ann = browser(club).visit("/id/sign-in")
    assert ann.at_login
    assert ann.log_in().path == "/account"


# Members change


def test_a_disabled_member_is_stopped_at_once(club: Club) -> None:
    ann = browser(club).come()
    ann.start()
    club.change(active=False)
    assert ann.visit("/boats").heading == "Log in to the club"
    assert ann.visit("/members").step == "block"
    assert ann.start().step == "block"
    club.change(active=True)
    assert ann.visit("/members").is_at("/members")


def test_a_renamed_member_stays_the_same_person(club: Club) -> None:
    first = browser(club).come()
    first.start()
    club.change(email="anna@example.org", name="Anna Archer")
    second = browser(club).visit("/login")
    second.log_in("anna@example.org")
    second.start()
    assert second.claims()["sub"] == first.claims()["sub"]
    assert second.userinfo()["email"] == "anna@example.org"


def test_a_deleted_member_is_gone_and_the_name_can_be_given_again(club: Club) -> None:
    ann = browser(club).come()
    ann.start()
    sub = ann.claims()["sub"]
    with club.arranging():
        club.module.db.session.delete(club.member())
    assert ann.visit("/boats").heading == "Log in to the club"
    assert ann.start().step == "block"
    club.take_in(name="Another Ann")
    other = browser(club).come()
    other.start()
    assert other.claims()["sub"] != sub and other.userinfo()["name"] == "Another Ann"


def test_the_command_line_leaves_members_to_the_club(club: Club) -> None:
    assert "host application" in club.cli("user", "disable", ANN, "--reason", "left").output
    assert "host application" in club.cli("user", "create", "carl").output
    assert "not blocked" in club.cli("user", "enable", ANN, "--reason", "back").output
    assert club.cli("user", "show", ANN).exit_code == 0


# OpenID Connect through the club


def test_another_application_signs_in_through_the_club(club: Club) -> None:
    """The relying party validates the ID token; what userinfo says is the club's."""
    ann = browser(club)
    ann.start()
    assert ann.at_login
    ann.log_in()
    claims, known = ann.claims(), ann.userinfo()
    assert (claims["amr"], claims["acr"]) == ("pwd", "aal1")
    assert (known["name"], known["email"], known["preferred_username"]) == ("Ann Archer", ANN, ANN)
    assert ann.visit("/boats").is_at("/boats"), "and is a member at the club, too"


def test_a_compromised_member_recovers_on_the_way_to_another_application(club: Club) -> None:
    club.apply(USER_RISK_POLICY)
    club.act(protection.confirm_compromised, ANN, "admin", "seen in a leak")
    ann = browser(club)
    ann.start()
    ann.log_in().acknowledge().prove(club.totp(ANN)).choose_password(NEW_PASSWORD)
    assert ann.claims()["acr"] == "aal2"
    assert club.has_password(NEW_PASSWORD)


def test_an_application_can_ask_for_a_fresh_login(club: Club) -> None:
    """prompt=login shows the club's page to somebody who is signed in, once."""
    ann = browser(club).come()
    ann.start("/login")
    assert ann.at_login
    assert ann.log_in().is_signed_in


# Living together


def test_the_pages_of_the_club_and_ours_do_not_mix(club: Club) -> None:
    """Both have a base.html; each is drawn in its own."""
    club.apply(MFA_POLICY)
    ann = browser(club).visit("/login")
    assert "Georgia" in ann.page.text and "idprotect.css" not in ann.page.text
    ann.log_in()
    assert ann.step == "mfa"
    assert "Georgia" not in ann.page.text and "/id/idprotect-static/idprotect.css" in ann.page.text
    assert ann.get("/id/idprotect-static/idprotect.css").page.headers["Content-Type"].startswith("text/css")


def test_the_clubs_csrf_protection_stays_and_does_not_stop_our_forms(club: Club) -> None:
    """Our forms have tokens of their own, and applications that post have none."""
    assert browser(club).post("/login", email=ANN, password=PASSWORD).page.status_code == 400
    answer = browser(club).post("/id/token", grant_type="authorization_code")
    assert answer.page.status_code in (400, 401) and "error" in answer.page.json()


def test_two_clubs_in_one_process_share_nothing(make_club: Callable[..., Club]) -> None:
    first, second = make_club(), make_club(IDPROTECT_BRAND_NAME="The Other Club")
    for each in (first, second):
        each.take_in()
    first.apply(USER_RISK_BLOCK)
    first.act(protection.confirm_compromised, ANN, "admin", "seen in a leak")
    ann = browser(first).come()
    assert ann.step == "block"
    with second.arranging():
        assert session().query(SignIn).count() == 0
        assert not users.get(ANN).risk_level
    other = browser(second).come()
    assert other.is_at("/members")
    ann.http.cookies.update(other.http.cookies)
    assert ann.visit("/boats").heading == "Log in to the club"


def test_init_touches_no_table_of_the_club(tmp_path: Path, keys: Path) -> None:
    """Its own Alembic version and tables are as before."""
    module = load_example("existing_app")
    url = f"sqlite:///{tmp_path / 'club.sqlite'}"
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('c1ub')"))
        connection.execute(text("CREATE TABLE trophy (year INTEGER)"))
    config = {"SQLALCHEMY_DATABASE_URI": url, "IDPROTECT_INSTANCE_DIR": tmp_path / "idprotect"}
    app: Flask = module.create_app(config)
    done = app.test_cli_runner().invoke(args=["idprotect", "init"])
    assert done.exit_code == 0, done.output
    tables = set(inspect(engine).get_table_names())
    assert {name for name in tables if not name.startswith("idprotect_")} == {
        "alembic_version",
        "member",
        "trophy",
    }
    assert {"idprotect_user", "idprotect_alembic_version"} <= tables
    with engine.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "c1ub"


def test_the_clubs_command_takes_members_in(club: Club) -> None:
    runner = club.app.test_cli_runner()
    done = runner.invoke(args=["add-member", BEN, "Ben Bow", "--password", PASSWORD])
    assert done.exit_code == 0, done.output
    assert browser(club).visit("/login").log_in(BEN).is_at("/members")


# The hook alone


class Authlib(Host):
    """The example with an Authlib server of its own, and an application that waits at ``callback``."""

    module: ModuleType
    client_id: str
    callback: str

    def add_person(self, nickname: str) -> int:
        """Make an account; return the id."""
        done = self.app.test_cli_runner().invoke(args=["add-person", nickname, "--password", PASSWORD])
        assert done.exit_code == 0, done.output
        with self.arranging():
            db = self.module.db
            return int(db.session.scalar(db.select(self.module.Person).filter_by(nickname=nickname)).id)

    def add_factor(self, nickname: str) -> None:
        """Give somebody an authenticator app."""
        with self.arranging():
            self._register(users.get(nickname), "totp")


class Visitor(HostBrowser):
    """A browser on its way to the application."""

    world: Authlib

    def ask(self) -> "Visitor":
        """Press the application's button."""
        self.verifier = generate_token(48)
        self.client = OAuth2Session(
            self.world.client_id,
            scope="profile",
            redirect_uri=self.world.callback,
            code_challenge_method="S256",
            token_endpoint_auth_method="none",
        )
        url, self.state = self.client.create_authorization_url(
            self.world.site + "/oauth/authorize", code_verifier=self.verifier
        )
        self.get(url)
        return self

    def say_who(self, nickname: str = "ann", password: str = PASSWORD) -> "Visitor":
        """Fill the server's login page."""
        self.submit({"nickname": nickname, "password": password})
        return self

    @property
    def has_code(self) -> bool:
        """Whether the application got a code."""
        return self.page.url.startswith(self.world.callback) and "code=" in self.page.url

    def nickname(self) -> str:
        """Exchange the code, as the application does, and ask who it is."""
        assert self.has_code, self.page.url
        self.client.trust_env = False
        self.client.fetch_token(
            self.world.site + "/oauth/token",
            authorization_response=self.page.url,
            code_verifier=self.verifier,
            state=self.state,
        )
        return str(self.client.get(self.world.site + "/api/me").json()["nickname"])


@pytest.fixture
def authlib(tmp_path: Path, keys: Path, moved_clock: Clock) -> Iterator[Authlib]:
    """Run the Authlib server with two people and an application."""

    def application(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [("Content-Type", "text/html")])
        return [b"<h1>Welcome back</h1>"]

    module = load_example("authlib_server")
    with running_host(module.create_app, tmp_path, keys, moved_clock) as host, serve(application) as callback:
        server = Authlib(host.app, host.url, host.clock, host.folder)
        server.module, server.callback = module, f"{callback}/callback"
        server.relying_party_url = callback
        added = server.app.test_cli_runner().invoke(args=["add-client", "Notes", server.callback])
        server.client_id = added.output.strip()
        for nickname in ("ann", "ben"):
            server.add_person(nickname)
            server.add_factor(nickname)
        yield server


def visitor(server: Authlib, address: str = HOME_ADDRESS) -> Visitor:
    """Open a fresh browser."""
    return Visitor(server, address, FIREFOX)


def test_the_hook_lets_through_what_is_not_risky(authlib: Authlib) -> None:
    ann = visitor(authlib).ask()
    assert ann.heading == "Who are you?"
    assert ann.say_who().nickname() == "ann"
    assert ann.ask().nickname() == "ann", "single sign-on, as before"


def test_the_hook_makes_a_compromised_person_recover_and_the_request_is_intact(authlib: Authlib) -> None:
    """The state, the challenge and the redirect URI survive; the server's own hash changes."""
    authlib.apply(USER_RISK_POLICY)
    ann = visitor(authlib).ask().say_who()
    authlib.act(protection.confirm_compromised, "ann", "admin", "seen in a leak", end_sessions=False)
    assert ann.ask().step == "notice"
    ann.acknowledge().prove(authlib.totp("ann")).choose_password(NEW_PASSWORD)
    assert ann.nickname() == "ann"
    other = visitor(authlib).ask().say_who()
    assert other.heading == "Who are you?" and "not right" in other.text
    assert other.say_who(password=NEW_PASSWORD).nickname() == "ann"


def test_the_hook_asks_at_a_risky_sign_in(authlib: Authlib) -> None:
    authlib.apply(SIGN_IN_RISK_POLICY)
    authlib.list_address()
    ann = visitor(authlib, TOR_ADDRESS).ask().say_who()
    assert ann.step == "notice"
    ann.acknowledge().prove(authlib.totp("ann"))
    assert ann.nickname() == "ann"


def test_the_hook_stops_a_blocked_person(authlib: Authlib) -> None:
    authlib.apply(USER_RISK_BLOCK)
    ann = visitor(authlib).ask().say_who()
    authlib.act(protection.confirm_compromised, "ann", "admin", "seen in a leak")
    assert ann.ask().heading == "Who are you?", "the session ended"
    assert ann.say_who().step == "block"
    assert ann.ask().step == "block"


def test_policies_know_the_servers_clients_and_scopes(authlib: Authlib) -> None:
    authlib.apply(
        f"""
        [[policy]]
        name = "notes"
        state = "on"
        clients = {{ include = ["{authlib.client_id}"] }}
        then = {{ require = ["mfa"] }}
        """
    )
    ann = visitor(authlib).ask().say_who()
    assert ann.step == "mfa"
    ann.prove(authlib.totp("ann"))
    assert ann.nickname() == "ann"


def test_the_hook_takes_no_sign_in_of_somebody_else(authlib: Authlib) -> None:
    """The browser has Ben's sign-in, and a session in which the server takes it for Ann's."""
    ben = visitor(authlib).ask().say_who("ben")
    assert ben.has_code
    ben.put_into_session(person_id=1)
    assert ben.ask().heading == "Who are you?"
    assert ben.say_who("ann").nickname() == "ann"


def test_the_hook_needs_a_sign_in_however_the_session_came_about(authlib: Authlib) -> None:
    ann = visitor(authlib)
    ann.put_into_session(person_id=1)
    assert ann.ask().heading == "Who are you?"
    assert ann.say_who().nickname() == "ann"


def test_logging_out_ends_the_sign_in(authlib: Authlib) -> None:
    ann = visitor(authlib).ask().say_who()
    ann.post("/logout")
    assert ann.ask().heading == "Who are you?"


def test_wrong_passwords_are_throttled_at_the_servers_page(authlib: Authlib) -> None:
    guesser = visitor(authlib).ask()
    for _ in range(5):
        guesser.say_who(password="wrong")
    assert re.search("Too many tries", guesser.say_who().text)
    assert not guesser.ask().has_code


def test_a_login_from_elsewhere_is_a_sign_in_of_its_own(authlib: Authlib) -> None:
    visitor(authlib).ask().say_who()
    visitor(authlib, OTHER_ADDRESS).ask().say_who()
    with authlib.arranging():
        assert session().query(SignIn).filter(SignIn.succeeded).count() == 2


def test_the_tests_of_the_tested_application_pass() -> None:
    """D11, C108: an application's own tests, run as its developers run them, against a provider of theirs."""
    folder = PROJECT / "examples" / "tested_application"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
        ".",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("......"), done.stdout
