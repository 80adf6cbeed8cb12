"""The console inside a host application: its users, its roles, its own sign-in page, beside its own Flask-Admin."""

from pathlib import Path
from typing import Any

import pyotp
import pytest
from flask.testing import FlaskClient
from flask_admin import Admin
from sqlalchemy import select

from idprotect import clock, methods
from idprotect.methods.base import secret_of
from idprotect.models import SignIn, User, session
from tests.support.world import _Forms
from tests.test_hosts import Site, folder  # noqa: F401 (a fixture)


@pytest.fixture
def site(folder: Path) -> Site:  # noqa: F811
    """Return a site with an administrator, somebody else, and a Flask-Admin of its own."""
    made = Site(folder, IDPROTECT_ADMIN_PATH="/console")
    Admin(made.app, name="theirs")
    made.protect(roles=lambda person: ["administrator"] if person.nick == "boss" else ["member"])
    for nick in ("boss", "ann"):
        made.add(nick)
    return made


def submit(client: FlaskClient, page: Any, values: dict[str, str]) -> Any:
    """Fill the form that has these fields."""
    parser = _Forms()
    parser.feed(page.text)
    form = next(form for form in parser.forms if set(values) <= set(form["names"]))
    return client.post(form["action"], data={**form["fields"], **values}, follow_redirects=True)


def come_in(site: Site, nick: str) -> tuple[FlaskClient, Any]:
    """Sign in at the host's page, on the way to the console."""
    client = site.app.test_client()
    answer = client.get("/id/console/")
    assert answer.location.startswith("/login?next=/id/authorize/")
    return client, client.post(
        answer.location, data={"nick": nick, "password": "right"}, follow_redirects=True
    )


def give_a_factor(site: Site, nick: str) -> str:
    """Register an authenticator app; return its seed."""
    with site.app.app_context():
        user = session().scalars(select(User).where(User.username == nick)).one()
        authenticator = methods.METHODS["totp"].register(user, SignIn(id="0" * 32), "")
        authenticator.confirmed_at = clock.now()
        session().add(authenticator)
        session().commit()
        return secret_of(authenticator)


def test_an_administrator_of_the_host_comes_in_with_a_second_factor(site: Site) -> None:
    """The host's page, the host's roles, our door: a factor is registered, and then asked for."""
    client, page = come_in(site, "boss")
    assert "/mfa_registration" in page.request.path
    seed = give_a_factor(site, "boss")
    page = client.get("/id/console/", follow_redirects=True)
    page = submit(client, page, {"code": pyotp.TOTP(seed).now()})
    assert page.request.path == "/id/console/"
    assert "What needs you" in page.text
    for path in ("users", "sign-ins", "policies", "audit"):
        assert client.get(f"/id/console/{path}/").status_code == 200
    assert "<title>Home - theirs</title>" in client.get("/admin/").text


def test_somebody_without_a_role_of_ours_finds_nothing(site: Site) -> None:
    _, page = come_in(site, "ann")
    assert page.status_code == 404


def test_what_the_host_decides_is_not_done_here(site: Site) -> None:
    """Blocking is for the host to say; a lock-down does the rest."""
    client, _ = come_in(site, "boss")
    come_in(site, "ann")
    seed = give_a_factor(site, "boss")
    page = client.get("/id/console/", follow_redirects=True)
    submit(client, page, {"code": pyotp.TOTP(seed).now()})
    with site.app.app_context():
        ann = session().scalars(select(User.id).where(User.username == "ann")).one()
    page = client.get(f"/id/console/acts/block?id={ann}")
    assert "The host application decides" in submit(client, page, {"reason": "test"}).text
    page = client.get(f"/id/console/acts/lock_down?id={ann}")
    assert "Lock down: done" in submit(client, page, {"reason": "test"}).text
    with site.app.app_context():
        row = session().get_one(User, ann)
        assert (row.risk.label, row.enabled) == ("high", True)


def test_without_a_path_there_is_no_console(folder: Path) -> None:  # noqa: F811
    """A host application says where it is to be, or has none."""
    site = Site(folder).protect()
    assert not [rule for rule in site.app.url_map.iter_rules() if rule.endpoint.startswith("idprotect_admin")]
