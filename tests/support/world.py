"""A running world for journeys: the server, a relying party, people, their browsers, and what was sent to them.

Everything goes over real HTTP. Addresses are simulated by a trusted proxy on the loopback address, time by moving
the one clock.
"""

import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pyotp
import requests
from flask import Flask

from idprotect import clients, clock, create_app, methods, migrations, policies, users
from idprotect.demo.relying_party import create_app as create_relying_party
from idprotect.intelligence import Intelligence
from idprotect.intelligence.sources import from_setting
from idprotect.methods.base import secret_of
from idprotect.models import Authenticator, SignIn, User, session
from idprotect.registration import Registration
from idprotect.runtime import runtime
from idprotect.senders.outbox import Outbox

from .live import serve_built

PASSWORD = "seven quiet herons over slate"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
HOME_ADDRESS, OTHER_ADDRESS, TOR_ADDRESS = "198.51.100.10", "198.51.100.77", "203.0.113.66"

#: The clock as it is before a test takes it over.
SYSTEM_NOW = clock.now

CHEAP: dict[str, Any] = {
    "IDPROTECT_DEVELOPMENT": True,
    "IDPROTECT_DELIVER": False,
    "IDPROTECT_TRUSTED_PROXIES": ("127.0.0.1",),
    "IDPROTECT_SMS_SENDER": "outbox",
    "IDPROTECT_MAIL_SENDER": "outbox",
    "IDPROTECT_SMS_REGION": "GB",
    "IDPROTECT_ARGON2_TIME_COST": 1,
    "IDPROTECT_ARGON2_MEMORY_KIB": 64,
    "IDPROTECT_CONTACT": "the help desk, extension 4711",
}

USER_RISK_POLICY = """
[[policy]]
name = "user-risk"
state = "on"
when = { user_risk = ["medium", "high"] }
then = { require = ["mfa", "password_change"] }
"""
USER_RISK_BLOCK = """
[[policy]]
name = "user-risk"
state = "on"
when = { user_risk = ["medium", "high"] }
then = { require = ["block"] }
"""
SIGN_IN_RISK_POLICY = """
[[policy]]
name = "sign-in-risk"
state = "on"
when = { sign_in_risk = ["medium", "high"] }
then = { require = ["mfa"] }
"""
SIGN_IN_RISK_REGISTER = SIGN_IN_RISK_POLICY.replace('["mfa"]', '["mfa"], unregistered = "register"')
SIGN_IN_RISK_BLOCK = SIGN_IN_RISK_POLICY.replace('["mfa"]', '["block"]')
REGISTRATION_POLICY = """
[[policy]]
name = "registration"
state = "on"
then = { require = ["registration"], skip_days = 14 }
"""
MFA_POLICY = """
[[policy]]
name = "always-mfa"
state = "on"
then = { require = ["mfa"] }
"""


class Clock:
    """Stands in for the one clock; runs on, and can be moved."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        """Return the moved time."""
        return SYSTEM_NOW() + self.offset

    def move(self, **by: float) -> None:
        """Move on by so many days, hours, …"""
        self.offset += timedelta(**by)


@dataclass
class World:
    """One server with its relying party.

    :ivar app: the server, for arranging and asserting in an application context.
    """

    app: Flask
    url: str
    clock: Clock
    folder: Path
    relying_party_url: str = ""
    secret: str = ""
    _seeds: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def arranging(self) -> Iterator[None]:
        """Work in the database between requests."""
        with self.app.app_context():
            yield
            session().commit()

    def apply(self, *documents: str) -> None:
        """Put policies (TOML) into force."""
        import tomllib

        with self.arranging():
            policies.apply(tomllib.loads("\n".join(documents)), "test")

    def make_user(
        self,
        username: str = "ada",
        *,
        authenticators: tuple[str, ...] = (),
        password: str | None = PASSWORD,
        allow_breached: bool = False,
        **traits: Any,
    ) -> str:
        """Make a user with traits; return the id."""
        traits.setdefault("email", f"{username}@example.org")
        with self.arranging():
            user = users.create(username, password, by="test", allow_breached=allow_breached, **traits)
            for method in authenticators:
                self._register(user, method)
            return user.id

    def _register(self, user: User, method: str) -> None:
        sign_in = SignIn(id="0" * 32)
        authenticator = methods.METHODS[method].register(user, sign_in, "+447400123456")
        authenticator.confirmed_at = clock.now()
        session().add(authenticator)
        if method == "totp":
            self._seeds[user.username] = secret_of(authenticator)

    def totp(self, username: str = "ada") -> str:
        """Return the code that the user's app shows, moving the clock so that each is a new one."""
        self.clock.move(seconds=31)
        return pyotp.TOTP(self.seed(username)).at(self.clock.now())

    def seed(self, username: str = "ada") -> str:
        """Return the seed in the user's app."""
        if username not in self._seeds:
            with self.arranging():
                found = session().query(Authenticator).join(User).filter(User.username == username)
                self._seeds[username] = secret_of(found.filter(Authenticator.method == "totp").one())
        return self._seeds[username]

    def user(self, username: str = "ada") -> User:
        """Return a user as stored now; call it in ``arranging``."""
        return users.get(username)

    def read(self, look: Callable[[User], Any], username: str = "ada") -> Any:
        """Return something about a user as stored now."""
        with self.arranging():
            return look(users.get(username))

    def act(self, verb: Callable[..., Any], username: str = "ada", *arguments: Any, **options: Any) -> Any:
        """Let an administrator act on a user."""
        with self.arranging():
            return verb(users.get(username), *arguments, **options)

    def outbox(self) -> Outbox:
        """Return the messages that were sent."""
        return Outbox(self.folder / "outbox")

    def sms_code(self) -> str:
        """Return the code of the newest text message."""
        message = self.outbox().latest(channel="sms")
        assert message is not None
        match = re.search(r"\b\d{6}\b", message.body)
        assert match is not None
        return match.group()

    def mails(self, subject: str) -> list[Any]:
        """Return the mails with a word in their subject."""
        return [m for m in self.outbox().messages() if m.channel == "mail" and subject in (m.subject or "")]

    def browser(self, address: str = HOME_ADDRESS, user_agent: str = FIREFOX) -> "Browser":
        """Open a fresh browser."""
        return Browser(self, address, user_agent)

    def list_address(self, address: str = TOR_ADDRESS) -> None:
        """Put an address on the list of anonymisers."""
        path = self.folder / "anonymous.txt"
        path.write_text(path.read_text() + address + "\n")
        # A list is looked at for changes once a second; a test does not wait for that.
        running = self.app.extensions["idprotect"]
        running.intelligence = Intelligence(
            lists=from_setting({"anonymous": str(path)}), breached=running.intelligence.breached
        )

    def cli(self, *arguments: str, stdin: str | None = None) -> Any:
        """Run a command."""
        return self.app.test_cli_runner().invoke(args=["idprotect", *arguments], input=stdin)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append({"action": values.get("action", ""), "fields": {}, "names": [], "buttons": []})
        elif tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif self.forms and tag == "input":
            self.forms[-1]["names"].append(values.get("name"))
            if values.get("name") and values.get("type") in ("hidden", "text", None, "tel", "email"):
                self.forms[-1]["fields"][values["name"]] = values.get("value", "")
        elif self.forms and tag in ("textarea", "select"):
            self.forms[-1]["names"].append(values.get("name"))
        elif self.forms and tag == "button" and values.get("name"):
            self.forms[-1]["buttons"].append((values["name"], values.get("value", "")))


class Browser:
    """One person's browser: cookies, an address, the page in front of it."""

    def __init__(self, world: World, address: str, user_agent: str) -> None:
        self.world = world
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers.update(
            {"X-Forwarded-For": address, "User-Agent": user_agent, "Accept": "text/html"}
        )
        self.page: requests.Response = requests.Response()
        self.callback: dict[str, str] = {}

    def tab(self) -> "Browser":
        """Open another tab: the same cookies, another page."""
        other = Browser(self.world, "", "")
        other.http = self.http
        return other

    def move_to(self, address: str) -> None:
        """Go on from another address."""
        self.http.headers["X-Forwarded-For"] = address

    # what is in front of the person

    @property
    def text(self) -> str:
        """The page as text."""
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.page.text))

    @property
    def heading(self) -> str:
        """The page's one h1."""
        headings = re.findall(r"<h1[^>]*>(.*?)</h1>", self.page.text, re.S)
        assert len(headings) == 1, f"{len(headings)} headings at {self.page.url}"
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", headings[0])).strip()

    @property
    def path(self) -> str:
        """The path of the page."""
        return urlsplit(self.page.url).path

    @property
    def step(self) -> str:
        """Which page this is: ``sign_in``, the step of an interruption, or ``relying_party``."""
        if self.page.url.startswith(self.world.relying_party_url):
            return "relying_party"
        if self.path.startswith("/interaction/"):
            return self.path.rsplit("/", 1)[1]
        return "sign_in" if self.path.startswith("/sign-in") else self.path

    @property
    def pending_id(self) -> str:
        """The id of what waits, from the URL."""
        return self.path.split("/")[2]

    @property
    def reference(self) -> str:
        """The reference number on the page."""
        match = re.search(r"\b[2-9A-Z]{5}-[2-9A-Z]{5}\b", self.text)
        assert match is not None, self.text
        return match.group()

    # what the person does

    def get(self, url: str, **options: Any) -> "Browser":
        """Go to a URL, following redirects."""
        self.page = self.http.get(urljoin(self.world.url, url), timeout=20, **options)
        return self

    def forms(self) -> list[dict[str, Any]]:
        """Return the forms of the page."""
        parser = _Forms()
        parser.feed(self.page.text)
        return parser.forms

    def form(
        self, *, field: str | None = None, button: str | None = None, action: str = ""
    ) -> dict[str, Any]:
        """Return the form with a field, a button or an action."""
        for form in self.forms():
            has_field = field is None or field in form["names"]
            has_button = button is None or any(button in pair for pair in form["buttons"])
            if has_field and has_button and action in form["action"]:
                return form
        raise AssertionError(
            f"no form with {field or button or action} at {self.page.url}: {self.text[:400]}"
        )

    def submit(
        self, values: dict[str, str] | None = None, *, button: str | None = None, action: str = ""
    ) -> "Browser":
        """Fill a form and send it."""
        names = list(values or {})
        form = self.form(field=names[0] if names else None, button=button, action=action)
        data = {**form["fields"], **(values or {})}
        pressed = [pair for pair in form["buttons"] if button in pair]
        if pressed:
            data[pressed[0][0]] = pressed[0][1]
        url = urljoin(self.page.url, form["action"])
        self.page = self.http.post(url, data=data, timeout=20, headers={"Origin": _origin(url)})
        return self

    def start(self, query: str = "") -> "Browser":
        """Press the relying party's button."""
        return self.get(self.world.relying_party_url + "/sign-in" + query)

    def sign_in(self, username: str = "ada", password: str = PASSWORD) -> "Browser":
        """Fill the sign-in page."""
        return self.submit({"username": username, "password": password})

    def acknowledge(self) -> "Browser":
        """Go on from a notice."""
        assert self.step == "notice", self.page.url
        return self.submit(action="/notice")

    def prove(self, code: str | None = None) -> "Browser":
        """Pass the challenge with the authenticator app."""
        assert self.step == "mfa", self.page.url
        return self.submit({"code": code or self.world.totp()})

    def choose_password(self, new: str, current: str | None = PASSWORD) -> "Browser":
        """Fill the page for a new password."""
        values = {"new": new, "confirm": new} | ({"current": current} if current else {})
        return self.submit(values)

    @property
    def is_signed_in(self) -> bool:
        """Whether the relying party took the person in."""
        return self.step == "relying_party" and self.path == "/notes" and self.page.ok

    def claims(self) -> dict[str, str]:
        """Return the ID token's claims that the relying party validated and shows."""
        assert self.is_signed_in, f"{self.page.status_code} {self.page.url}: {self.text[:300]}"
        rows = re.findall(r'<th scope="row"[^>]*>(.*?)</th>\s*<td[^>]*>(.*?)</td>', self.page.text, re.S)
        return {_plain(name): _plain(value) for name, value in rows}

    def userinfo(self) -> dict[str, str]:
        """Let the relying party ask for the person's claims, and return what it shows of them."""
        assert self.is_signed_in, f"{self.page.status_code} {self.page.url}: {self.text[:300]}"
        self.submit(action="/notes/userinfo")
        pairs = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", self.page.text, re.S)
        return {_plain(name): _plain(value) for name, value in pairs}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).strip()


def query_of(url: str) -> dict[str, str]:
    """Return the query parameters of a URL."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def build_app(url: str, folder: Path, keys: Path | None, **config: Any) -> Flask:
    """Make a server with cheap hashing, and keys made once for all tests."""
    if keys is not None and not (folder / "keys").exists():
        shutil.copytree(keys, folder / "keys")
    database = folder / "idprotect.sqlite"
    if "IDPROTECT_DATABASE_URL" not in config and not database.exists():
        database.write_bytes(_empty_database())
    anonymous = folder / "anonymous.txt"
    if not anonymous.exists():
        anonymous.write_text("192.0.2.255\n")
    return create_app(
        {
            **CHEAP,
            "IDPROTECT_ISSUER": url,
            "IDPROTECT_INSTANCE_DIR": folder,
            "IDPROTECT_ADDRESS_LISTS": {"anonymous": str(anonymous)},
            **config,
        }
    )


@cache
def _empty_database() -> bytes:
    """Return a database with its tables, made once by each worker: that takes a tenth of a second."""
    with TemporaryDirectory(prefix="idprotect-") as name:
        folder = Path(name)
        app = create_app({**CHEAP, "IDPROTECT_ISSUER": "http://localhost", "IDPROTECT_INSTANCE_DIR": folder})
        with app.app_context():
            migrations.upgrade()
            runtime().db.engine.dispose()
        return (folder / "idprotect.sqlite").read_bytes()


@contextmanager
def world(
    folder: Path, keys: Path, moved: Clock, *, relying_party: bool = True, **config: Any
) -> Iterator[World]:
    """Run a server and its relying party."""
    with ExitStack() as stack:
        built: dict[str, Flask] = {}

        def build(url: str) -> Flask:
            built["app"] = build_app(url, folder, keys, **config)
            with built["app"].app_context():
                migrations.upgrade()
            return built["app"]

        url = stack.enter_context(serve_built(build, name="localhost"))
        running = World(built["app"], url, moved, folder)
        if relying_party:
            _add_relying_party(running, stack)
        yield running
        with running.app.app_context():
            runtime().additions.take(now=True)  # its database may be gone when the interpreter ends
            runtime().db.engine.dispose()


def _add_relying_party(running: World, stack: ExitStack, first_party: bool = True) -> None:
    running.secret = secrets.token_urlsafe(32)

    def build(url: str) -> Flask:
        with running.arranging():
            notes = Registration(
                client_name="Northwind Notes", redirect_uris=(f"{url}/callback",), first_party=first_party
            )
            clients.create(notes, by="test", client_id="notes", secret=running.secret)
        return create_relying_party(
            {
                "DEMO_ISSUER": running.url,
                "DEMO_CLIENT_ID": "notes",
                "DEMO_CLIENT_SECRET": running.secret,
                "DEMO_BASE_URL": url,
            }
        )

    running.relying_party_url = stack.enter_context(serve_built(build, name="127.0.0.1"))
