"""What a host application may be like: its users and names, its pages, and what else lives in it."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pyotp
import pytest
from flask import Flask, Response, abort, jsonify, request
from flask import session as cookie
from flask.testing import FlaskClient
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from jinja2 import StrictUndefined
from sqlalchemy import func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as WsgiClient

import idprotect
from idprotect import IDProtect, SQLAlchemyUsers, clock, migrations, policies, protection, users
from idprotect.errors import ConfigurationError, InteractionError
from idprotect.hosts import HostDirectory
from idprotect.keys import KeyRing
from idprotect.methods import METHODS
from idprotect.methods.base import secret_of
from idprotect.models import PendingAuthorization, SignIn, User, session
from idprotect.oidc.id_token import user_claims
from idprotect.risk import About, RiskLevel
from idprotect.risk.detections.reports import external_finding
from idprotect.runtime import runtime
from tests.support.world import CHEAP

OPTIONS: dict[str, Any] = {"enabled": "active"}


class Site:
    """A small host application, without Flask-Login.

    :ivar users: its model.
    """

    def __init__(self, folder: Path, uri: str | None = None, **config: Any) -> None:
        class Base(DeclarativeBase):
            pass

        self.db = SQLAlchemy(model_class=Base)

        class Person(self.db.Model):  # type: ignore[name-defined]
            __tablename__ = "person"
            __table_args__ = {"sqlite_autoincrement": True}
            id: Mapped[int] = mapped_column(primary_key=True)
            nick: Mapped[str]
            password: Mapped[str]
            active: Mapped[bool] = mapped_column(default=True)

            def check(self, password: str) -> bool:
                return self.password == password

            def change(self, password: str) -> None:
                self.password = password

        self.person = Person
        self.app = Flask("site")
        self.app.config.update(
            {
                **CHEAP,
                "TESTING": True,
                "SECRET_KEY": "host",
                "SQLALCHEMY_DATABASE_URI": uri or f"sqlite:///{folder / 'site.sqlite'}",
                "IDPROTECT_ISSUER": "http://localhost/id",
                "IDPROTECT_INSTANCE_DIR": folder,
                "IDPROTECT_LOGIN_VIEW": "login",
                **config,
            }
        )
        self.app.testing = False
        self.db.init_app(self.app)

    def protect(self, **options: Any) -> "Site":
        """Add idprotect, and the pages."""
        settings: dict[str, Any] = {
            "username": "nick",
            "set_password": self.person.change,
            **OPTIONS,
            **options,
        }
        reached = SQLAlchemyUsers(self.person, verify_password=self.person.check, **settings)
        IDProtect(db=self.db, users=reached).init_app(self.app)
        self.app.add_url_rule("/login", "login", self.login, methods=["GET", "POST"])
        self.app.add_url_rule("/page", "page", self.page, methods=["GET", "POST"])
        self.app.add_url_rule("/send", "send", self.page, methods=["POST"])
        self.app.add_url_rule("/files/<path:name>", "files", self.page)
        self.app.add_url_rule("/whoami", "whoami", self.whoami)
        demand = {"aal2": idprotect.require_acr("aal2"), "calm": idprotect.require_risk_below("medium")}
        for name, decorate in demand.items():
            self.app.add_url_rule(f"/{name}", name, decorate(lambda: "the careful page"))
        with self.app.app_context():
            self.db.create_all()
            migrations.upgrade()
        return self

    def login(self) -> Any:
        """The host's sign-in page."""
        if request.method == "GET":
            return "please sign in"
        person = self.db.session.scalar(select(self.person).filter_by(nick=request.form["nick"]))
        if not idprotect.verify_password(person, request.form["password"]):
            idprotect.sign_in_failed(request.form["nick"])
            abort(401)
        idprotect.sign_in(person, password=request.form["password"])
        cookie["person_id"] = person.id  # type: ignore[union-attr]
        return idprotect.continue_to("/page")

    def page(self, name: str = "") -> Any:
        """A page that asks idprotect."""
        return idprotect.interrupt() or "the page"

    def whoami(self) -> Response:
        """Whom the host's own session belongs to."""
        person = self.db.session.get(self.person, cookie.get("person_id", 0))
        return jsonify(signed_in=idprotect.is_signed_in(person))

    def add(self, nick: str, **traits: Any) -> int:
        """Make a user; return the id."""
        with self.app.app_context():
            person = self.person(nick=nick, password="right", **traits)
            self.db.session.add(person)
            self.db.session.commit()
            return int(person.id)

    def sign_in(self, nick: str = "ann", password: str = "right", **options: Any) -> FlaskClient:
        """Return a browser that signed in."""
        client = self.app.test_client()
        answer = client.post("/login", data={"nick": nick, "password": password}, **options)
        client.last = answer  # type: ignore[attr-defined]
        return client

    def names(self) -> dict[str, str]:
        """Return the names of our rows by the host's id."""
        with self.app.app_context():
            return {str(user.host_id): user.username for user in session().scalars(select(User))}


@pytest.fixture
def folder(tmp_path: Path, keys: Path) -> Path:
    """Return an instance folder with keys."""
    (tmp_path / "keys").symlink_to(keys)
    return tmp_path


@pytest.fixture
def site(folder: Path) -> Site:
    """Return a site with one user."""
    site = Site(folder).protect()
    site.add("ann")
    return site


def is_in(client: FlaskClient) -> bool:
    """Whether the host's page opens."""
    return client.get("/page").text == "the page"


# Users


@pytest.mark.parametrize(
    "names", [("ann", "Ann", "ANN"), ("Weiß", "WEISS"), ("Ann Archer", "ann archer", "a\u202eb")]
)
def test_users_whose_names_are_one_to_us_stay_apart(folder: Path, names: tuple[str, ...]) -> None:
    """The host decided that they are different; risk and sessions follow its id."""
    site = Site(folder).protect()
    ids = [site.add(name) for name in names]
    for name in names:
        assert is_in(site.sign_in(name))
    rows = site.names()
    assert set(rows) == {str(number) for number in ids} and len(set(rows.values())) == len(names)
    assert site.names() == rows, "and keep their names"


def test_a_name_that_was_given_away_again_is_somebody_else(site: Site) -> None:
    site.sign_in("ann")
    with site.app.app_context():
        site.db.session.get(site.person, 1).nick = "anna"  # type: ignore[union-attr]
        site.db.session.commit()
    site.add("ann")
    assert is_in(site.sign_in("ann"))
    assert is_in(site.sign_in("anna"))
    assert site.names()["1"] == "anna" and site.names()["2"].startswith("ann")


def test_the_command_line_reaches_users_by_the_hosts_names(folder: Path) -> None:
    site = Site(folder).protect()
    site.add("Ann Archer")
    done = site.app.test_cli_runner().invoke(
        args=["idprotect", "user", "confirm-compromised", "Ann Archer", "--reason", "x"]
    )
    assert done.exit_code == 0, done.output


def test_names_that_nobody_can_have_are_looked_for_nowhere(site: Site) -> None:
    with site.app.app_context():
        directory = runtime().directory
        for name in ("a\x00b", "\ud800", "", "a" * 9999, "\u202e"):
            assert directory.find(name) is None


def test_the_exact_spelling_wins(folder: Path) -> None:
    site = Site(folder).protect()
    for name in ("ANN", "ann", "Änne"):
        site.add(name)
    with site.app.app_context():
        found = {name: runtime().directory.find(name) for name in ("ann", "ANN", "Ann", "Änne")}
        assert found["ann"].host_id == "2" and found["ANN"].host_id == "1"  # type: ignore[union-attr]
        assert found["Ann"] is not None and found["Änne"].host_id == "3"  # type: ignore[union-attr]


def test_names_that_nobody_has_are_throttled_each_for_itself(site: Site) -> None:
    """Also such that could not be ours; else the count would tell which exist."""
    for name in ("ann", "No Body", "\x07"):
        client = site.app.test_client()
        statuses = [
            client.post("/login", data={"nick": name, "password": "no"}).status_code for _ in range(6)
        ]
        assert statuses == [401] * 5 + [429], name


def test_claims_of_the_host_cannot_replace_the_subject(folder: Path) -> None:
    site = Site(folder).protect(
        claims=lambda person: {"sub": "1", "email": "a@b.example", "email_verified": True}
    )
    site.add("ann")
    with site.app.test_request_context():
        user = users.get("ann")
        claims = user_claims(user, ("sub", "email", "email_verified"))
        assert claims == {"email": "a@b.example", "email_verified": True}


def test_a_host_that_keeps_its_passwords_to_itself(folder: Path) -> None:
    site = Site(folder).protect(set_password=None)
    site.add("ann")
    with site.app.app_context(), pytest.raises(InteractionError):
        users.set_temporary_password(users.get("ann"), "admin")
    assert "/id/account/password" not in site.sign_in().get("/id/account").text


def test_the_old_password_is_no_way_around_a_temporary_one(site: Site) -> None:
    """A host that compares passwords itself must not let the old one choose the new one."""
    with site.app.app_context():
        users.set_temporary_password(users.get("ann"), "admin")
        session().commit()
    with site.app.test_request_context("/login"):
        person = site.db.session.get(site.person, 1)
        for password in ("right", None):
            with pytest.raises(InteractionError):
                idprotect.sign_in(person, password=password)
        assert session().scalar(select(func.count()).select_from(SignIn).where(SignIn.succeeded)) == 0


def test_a_sign_in_needs_users(folder: Path) -> None:
    """IDProtect without users keeps its own, and has its own sign-in page."""
    app = Flask("site")
    app.config.update(
        {
            **CHEAP,
            "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'site.sqlite'}",
            "IDPROTECT_ISSUER": "http://localhost/id",
            "IDPROTECT_INSTANCE_DIR": folder,
        }
    )
    with pytest.raises(TypeError):
        IDProtect(app)
    IDProtect(app, SQLAlchemy(app))
    app.add_url_rule("/page", "page", lambda: idprotect.interrupt() or "the page")
    with app.test_request_context():
        migrations.upgrade()
        with pytest.raises(ConfigurationError):
            idprotect.sign_in(object())
    assert "/id/sign-in/" in app.test_client().get("/page").location


# Pages


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "page", ""]
)
def test_a_return_to_elsewhere_is_a_mistake_of_the_host(site: Site, target: str) -> None:
    with site.app.test_request_context("/page"), pytest.raises(ConfigurationError):
        idprotect.interrupt(return_to=target)


@pytest.mark.parametrize(
    ("asked", "back"),
    [
        ("/page?a=1&b=%2F%3F%26&c=%C3%A4", "/page?a=1&b=%2F%3F%26&c=%C3%A4"),
        ("/files/a%3Fb%20c/%C3%A4", "/files/a%3Fb%20c/%C3%A4"),
        ("/page?", "/page"),
    ],
)
def test_the_browser_comes_back_to_the_very_url(site: Site, asked: str, back: str) -> None:
    client = site.app.test_client()
    client.get(asked)
    assert returns(site) == [back]


def test_what_was_sent_is_asked_for_again_by_get(site: Site) -> None:
    """A form is not sent twice; where nothing can be shown, the browser goes home."""
    client = site.app.test_client()
    client.post("/page?a=1", data={"b": "2"})
    client.post("/send")
    assert returns(site) == ["/page?a=1", "/"]


def test_a_path_with_two_slashes_names_no_other_site(site: Site) -> None:
    with site.app.test_request_context("//evil.example/x", base_url="http://localhost"):
        site.app.full_dispatch_request()
    with site.app.test_request_context("/page") as context:
        context.request.environ["PATH_INFO"] = "//evil.example/page"
        context.request.path = "//evil.example/page"
        idprotect.interrupt()
    assert all(not target.startswith("//") for target in returns(site))


def test_a_host_below_a_path_of_the_server(folder: Path) -> None:
    """The script name is part of the way back."""
    site = Site(folder, IDPROTECT_ISSUER="http://localhost/club/id", APPLICATION_ROOT="/club").protect()
    site.add("ann")
    client = WsgiClient(DispatcherMiddleware(Flask("root"), {"/club": site.app}), Response)  # type: ignore[arg-type]
    answer = client.get("/club/page?a=1")
    assert answer.location.startswith("/club/login?next=/club/id/authorize/")
    answer = client.post(answer.location, data={"nick": "ann", "password": "right"})
    assert answer.location.startswith("/club/id/authorize/")
    answer = client.get(answer.location)
    assert answer.location == "/club/page?a=1"
    assert client.get(answer.location).text == "the page"
    assert (
        client.get("/club/id/.well-known/openid-configuration").json["issuer"] == "http://localhost/club/id"
    )


def returns(site: Site) -> list[str]:
    """Return where the interrupted browsers go back to, in order."""
    with site.app.app_context():
        statement = select(PendingAuthorization.return_to).order_by(PendingAuthorization.created_at)
        return [str(target) for target in session().scalars(statement)]


def test_the_hosts_session_is_asked_about(site: Site) -> None:
    client = site.sign_in()
    assert client.get("/whoami").json == {"signed_in": True}
    assert site.app.test_client().get("/whoami").json == {"signed_in": False}
    with site.app.app_context():
        policies.apply(
            {
                "policy": [
                    {
                        "name": "x",
                        "state": "on",
                        "when": {"user_risk": ["high"]},
                        "then": {"require": ["block"]},
                    }
                ]
            },
            "test",
        )
        protection.confirm_compromised(users.get("ann"), "admin", end_sessions=False)
        session().commit()
    assert client.get("/whoami").json == {"signed_in": False}


def test_changes_of_the_host_are_not_stored_by_looking_at_its_session(site: Site) -> None:
    """Whether somebody is signed in is a question; it commits nothing of the view that asks."""

    def view() -> str:
        person = site.db.session.get(site.person, 1)
        person.nick = "changed"  # type: ignore[union-attr]
        return str(idprotect.is_signed_in(person))

    site.app.add_url_rule("/change", "change", view)
    assert site.sign_in().get("/change").text == "True"
    with site.app.app_context():
        assert site.db.session.get(site.person, 1).nick == "ann"  # type: ignore[union-attr]


# What else lives in the host


@pytest.mark.parametrize("first", [True, False])
def test_csrf_protection_may_come_before_or_after(folder: Path, first: bool) -> None:
    site = Site(folder)
    if first:
        CSRFProtect(site.app)
    site.protect()
    if not first:
        CSRFProtect(site.app)
    client = site.app.test_client()
    assert client.post("/login").status_code == 400
    assert client.post("/id/token").json["error"], "answered by us"  # type: ignore[index]


def test_strict_templates_of_the_host(folder: Path) -> None:
    """Our pages are drawn with the host's Jinja environment."""
    site = Site(folder)
    site.app.jinja_env.undefined = StrictUndefined
    site.app.context_processor(
        lambda: {"user": None, "title": "Site", "status": "host", "form": None, "kind": "host"}
    )
    site.protect()
    site.add("ann")
    client = site.sign_in()
    for path in ("/id/account", "/id/account/password", "/id/account/methods", "/id/sign-out"):
        assert client.get(path).status_code == 200, path


def test_errors_of_ours_are_answered_unless_the_host_does(site: Site) -> None:
    """Kindly, with the headers of our pages, and with nobody let in."""

    def broken() -> str:
        raise idprotect.EvaluationError("no data")

    site.app.add_url_rule("/broken", "broken", broken)
    answer = site.app.test_client().get("/broken")
    assert answer.status_code == 503 and "Content-Security-Policy" in answer.headers

    site.app._got_first_request = False
    site.app.register_error_handler(idprotect.EvaluationError, lambda error: ("later", 503))
    assert site.app.test_client().get("/broken").text == "later"


def test_extensions_are_made_before_the_application(folder: Path) -> None:
    """One object, several applications; nothing of one is kept for the other."""
    site = Site(folder)
    extension = IDProtect(db=site.db, users=SQLAlchemyUsers(site.person, verify_password=site.person.check))
    other = Flask("other")
    other.config.update({**site.app.config, "IDPROTECT_BRAND_NAME": "Other"})
    site.db.init_app(other)
    for app in (site.app, other):
        extension.init_app(app)
    first, second = (app.extensions["idprotect"] for app in (site.app, other))
    assert first is not second and second.settings.brand_name == "Other" != first.settings.brand_name
    assert isinstance(first.directory, HostDirectory) and first.directory is not second.directory


def test_a_user_is_deleted_at_the_host_first(folder: Path) -> None:
    """F104: our row would come back with another id at the next sign-in; once the host has forgotten them, it goes."""
    site = Site(folder).protect()
    ann = site.add("ann")
    assert is_in(site.sign_in())
    with site.app.app_context():
        user = users.get("ann")
        with pytest.raises(InteractionError, match="delete it there first"):
            users.delete(user, "admin", "left")
        site.db.session.delete(site.db.session.get(site.person, ann))
        users.delete(user, "admin", "left")
        session().commit()
        assert session().scalar(select(func.count()).select_from(User)) == 0


@pytest.mark.postgres
def test_a_host_on_postgresql(folder: Path, postgres_url: str) -> None:
    site = Site(folder, postgres_url).protect()
    for name in ("ann", "Ann", "Ann Archer"):
        site.add(name)
        assert is_in(site.sign_in(name))
    with site.app.app_context():
        assert len(site.names()) == 3
        assert runtime().directory.find("a\x00b") is None
        session().execute(text("SELECT 1"))
        site.db.engine.dispose()


@pytest.mark.postgres
def test_a_user_who_is_seen_twice_at_once_gets_one_row(folder: Path, postgres_url: str) -> None:
    site = Site(folder, postgres_url, SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 8}).protect()
    site.add("ann")
    barrier = Barrier(8)

    def see(_number: int) -> str:
        with site.app.app_context():
            barrier.wait(10)
            user = runtime().directory.find("ann")
            session().commit()
            return user.id if user is not None else ""

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(see, range(8)))) == 1


@pytest.fixture(autouse=True)
def _dispose(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close the databases of the sites."""
    made: list[Site] = []
    original: Callable[..., None] = Site.__init__

    def remember(self: Site, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        made.append(self)

    monkeypatch.setattr(Site, "__init__", remember)
    yield
    for site in made:
        with site.app.app_context():
            site.db.engine.dispose()


def test_the_keys_of_the_host_are_its_own(folder: Path) -> None:
    """A host's secret key stays; without one it gets one of ours."""
    assert Site(folder).protect().app.secret_key == "host"
    assert Site(folder, SECRET_KEY=None).protect().app.secret_key == KeyRing(folder / "keys").app_secret


# Views that ask for more


def follow(client: FlaskClient, path: str) -> str:
    """Go to a page, and return where one ends up: its path, or what it shows."""
    answer = client.get(path, follow_redirects=True)
    return answer.text if answer.text == "the careful page" else answer.request.path.rsplit("/", 1)[-1]


def register_totp(site: Site, nick: str = "ann") -> str:
    """Give somebody an authenticator app; return its seed."""
    with site.app.app_context():
        user = session().scalars(select(User).filter_by(username=nick)).one()
        authenticator = METHODS["totp"].register(user, SignIn(id="0" * 32), "")
        authenticator.confirmed_at = clock.now()
        session().add(authenticator)
        session().commit()
        return secret_of(authenticator)


def submit(client: FlaskClient, path: str, **fields: str) -> str:
    """Fill the page to which a path leads, and return where one ends up."""
    page = client.get(path, follow_redirects=True)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None, page.text
    data, origin = {"csrf_token": token.group(1), **fields}, {"Origin": "http://localhost"}
    answer = client.post(page.request.path, data=data, headers=origin, follow_redirects=True)
    return answer.text if answer.text == "the careful page" else answer.request.path.rsplit("/", 1)[-1]


def test_a_view_asks_for_a_second_factor_and_comes_back(site: Site) -> None:
    """D20, C010: ``require_acr``: the gate asks, whatever the policies say; the view is shown once it is met."""
    client = site.sign_in()
    seed = register_totp(site)
    assert client.get("/page").text == "the page"
    assert follow(client, "/aal2") == "mfa"
    assert submit(client, "/aal2", code=pyotp.TOTP(seed).now()) == "the careful page"
    assert follow(client, "/aal2") == "the careful page"


def test_a_view_that_wants_a_second_factor_lets_nobody_in_without_one(site: Site) -> None:
    """D20: who has none is led to register one; in an emergency of the policies, too."""
    client = site.sign_in()
    assert follow(client, "/aal2") == "mfa_registration"
    with site.app.app_context():
        policies.set_emergency(True, "admin", "a mistake")
        session().commit()
    assert follow(client, "/aal2") == "mfa_registration"


def test_a_view_takes_nobody_at_risk(site: Site) -> None:
    """D20: ``require_risk_below``: below the limit the view, at it the recovery, and back."""
    client = site.sign_in()
    seed = register_totp(site)
    assert follow(client, "/calm") == "the careful page"
    set_risk(site, RiskLevel.LOW)
    assert follow(client, "/calm") == "the careful page"
    set_risk(site, RiskLevel.MEDIUM)
    assert client.get("/page").text == "the page", "no policy asks"
    assert follow(client, "/calm") == "notice"
    assert submit(client, "/calm") == "mfa"
    assert submit(client, "/calm", code=pyotp.TOTP(seed).now()) == "password_change"
    new = "eleven loud gulls under tin"
    assert submit(client, "/calm", current="right", new=new, confirm=new) == "the careful page"


def test_a_view_blocks_who_is_at_risk_and_cannot_recover(site: Site) -> None:
    """D20: without a second factor, whoever has the password could cure it."""
    client = site.sign_in()
    set_risk(site, RiskLevel.HIGH)
    assert follow(client, "/calm") == "block"


def set_risk(site: Site, level: RiskLevel, nick: str = "ann") -> None:
    """Let another system report about somebody."""
    with site.app.app_context():
        user = session().scalars(select(User).filter_by(username=nick)).one()
        protection.raise_detection(user, external_finding(level, About.USER, "EDR", "malware", ()))
        session().commit()


@pytest.mark.parametrize(
    "demand", [lambda: idprotect.require_acr("aal9"), lambda: idprotect.require_risk_below("none")]
)
def test_a_demand_that_means_nothing_is_an_error_at_once(demand: Callable[[], Any]) -> None:
    """D20: found when the application starts, not when somebody comes."""
    with pytest.raises(ConfigurationError):
        demand()
