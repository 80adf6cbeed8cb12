"""A running provider, and what a test arranges there."""

import secrets
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Flask

from idprotect import app as server
from idprotect import clients, clock, methods, migrations, policies, users, worker
from idprotect.methods.base import secret_of
from idprotect.models import SignIn, User, session
from idprotect.registration import Registration
from idprotect.runtime import runtime
from idprotect.simulation.browsers import Browser
from idprotect.simulation.machines import LAPTOP
from idprotect.testing.http import serve
from idprotect.testing.people import BY, Person

#: In force unless a test wants others: who is at risk proves a second factor, and compromised users recover.
POLICIES = """
[[policy]]
name = "user-risk"
state = "on"
when = { user_risk = ["medium", "high"] }
then = { require = ["mfa", "password_change"] }

[[policy]]
name = "sign-in-risk"
state = "on"
when = { sign_in_risk = ["medium", "high"] }
then = { require = ["mfa"] }
"""
#: A password is hashed in a millisecond: nothing here is worth stealing.
CHEAP = {"IDPROTECT_ARGON2_TIME_COST": 1, "IDPROTECT_ARGON2_MEMORY_KIB": 64}
#: For documentation (RFC 5737): on no list, in no database.
ADDRESS = "198.51.100.10"
PASSWORD = "seven quiet herons over slate"  # noqa: S105 (it opens nothing)


@dataclass(frozen=True)
class Application:
    """What an application is told when it is registered; ``client_secret`` is None for a public one."""

    client_id: str
    client_secret: str | None


@dataclass
class Provider:
    """A provider with its own users and database.

    :ivar issuer: its URL, under which discovery finds everything.
    :ivar app: the server itself, for whoever needs more than is offered here.
    """

    issuer: str
    app: Flask
    _offset: timedelta = timedelta()
    _numbers: "count[int]" = field(default_factory=count)

    def application(self, client_name: str = "Application", **registration: Any) -> Application:
        """Register an application by the words of :class:`idprotect.registration.Registration`.

        It is first-party unless told otherwise, so that nobody is asked for consent.
        """
        wanted = Registration(client_name=client_name, **{"first_party": True, **registration})
        with self.arranging():
            client, secret = clients.create(wanted, by=BY)
            return Application(client.id, secret)

    def person(
        self, username: str | None = None, *, second_factor: bool = False, risk: str = "none", **traits: Any
    ) -> Person:
        """Make a user who can be played.

        :param second_factor: an authenticator app.
        :param risk: the level of user risk: ``none``, ``low``, ``medium``, ``high``.
        :param traits: ``name``, ``email``, ``groups``, ``roles``.
        """
        username = username or f"person{next(self._numbers)}"
        traits.setdefault("email", f"{username}@example.org")
        with self.arranging():
            user = users.create(username, PASSWORD, by=BY, **traits)
            seed = _register_totp(user) if second_factor else ""
            person = Person(self, user.id, user.username, PASSWORD, seed, self.browser())
        if risk != "none":
            person.set_risk(risk)
        return person

    def set_policies(self, document: str) -> None:
        """Put policies (TOML, docs/policies.md) into force, instead of those that were."""
        with self.arranging():
            policies.apply(tomllib.loads(document), BY)

    @contextmanager
    def later(self, **by: float) -> Iterator[None]:
        """Let it be so many hours, days, … later, here and for ``time.time()`` of the whole process."""
        before, real_time = self._offset, time.time
        self._offset += timedelta(**by)
        shift = timedelta(**by).total_seconds()
        try:
            with patch.object(time, "time", lambda: real_time() + shift):
                yield
        finally:
            self._offset = before

    def deliver(self) -> dict[str, int]:
        """Tell applications now what they have to hear; every act of a test does so at its end."""
        with self.at_its_time(), self.app.app_context():
            return worker.work()

    @contextmanager
    def arranging(self) -> Iterator[None]:
        """Work with the server's own functions, in one transaction, at its time; then tell applications."""
        with self.at_its_time(), self.app.app_context():
            yield
            session().commit()
        self.deliver()

    @contextmanager
    def at_its_time(self) -> Iterator[None]:
        """Let the server's clock show its time here, too."""
        with clock.set_to(clock.now() + self._offset):
            yield

    def browser(self) -> Browser:
        """Open a browser that was never here."""
        return Browser(self.app, self.issuer, LAPTOP, ADDRESS, self._answered)

    def _answered(self, ask: Any) -> Any:
        with self.at_its_time():
            answer = ask()
        self.deliver()
        return answer

    def _timed(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        with self.at_its_time():
            return self.app.wsgi_app(environ, start_response)


@contextmanager
def running(policies: str = POLICIES, **settings: Any) -> Iterator[Provider]:
    """Run a provider on this machine, with a database in a folder that is gone afterwards.

    :param policies: TOML, as in docs/policies.md.
    :param settings: ``IDPROTECT_…``, as in docs/operation.md.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idprotect-testing-")))
        built: list[Provider] = []

        def build(url: str) -> WSGIApplication:
            built.append(Provider(url, _create_app(url, folder, settings)))
            return built[0]._timed

        stack.enter_context(serve(build, name="localhost"))
        provider = built[0]
        provider.set_policies(policies)
        yield provider
        with provider.app.app_context():
            runtime().additions.take(now=True)  # its database is gone when the interpreter ends
            runtime().db.engine.dispose()


def _create_app(url: str, folder: Path, settings: dict[str, Any]) -> Flask:
    app = server.create_app(
        {
            **CHEAP,
            "IDPROTECT_ISSUER": url,
            "IDPROTECT_INSTANCE_DIR": folder / secrets.token_hex(4),
            "IDPROTECT_DEVELOPMENT": True,
            "IDPROTECT_DELIVER": False,  # a test tells when
            "IDPROTECT_MAIL_SENDER": "outbox",
            "IDPROTECT_SMS_SENDER": "outbox",
            **settings,
        }
    )
    with app.app_context():
        migrations.upgrade()
    return app


def _register_totp(user: User) -> str:
    authenticator = methods.METHODS["totp"].register(user, SignIn(id="0" * 32), "")
    authenticator.confirmed_at = clock.now()
    session().add(authenticator)
    session().flush()
    return secret_of(authenticator)
