"""The development page of scenarios: absent elsewhere, and it shows what the command says."""

import html
import re
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from idprotect import create_app
from idprotect.models import SignIn, User, session
from idprotect.simulation import SCENARIOS
from tests.support.world import CHEAP

URL = "https://id.example.org"


class Visitor:
    """A browser at the page."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()
        self.answer = self._client.get("/simulation", base_url=URL)

    def press(self, action: str, token: str | None = None) -> "Visitor":
        """Press a button of the page."""
        found = re.search('name="csrf_token" value="([^"]+)"', self.answer.text)
        assert found is not None
        data = {"csrf_token": token if token is not None else found.group(1)}
        self.answer = self._client.post(f"/simulation/{action}", data=data, base_url=URL)
        return self

    @property
    def text(self) -> str:
        """The page as text."""
        return re.sub(r"\s+", " ", html.unescape(re.sub("<[^>]+>", " ", self.answer.text)))


def test_the_page_offers_every_scenario(app: Flask) -> None:
    """F115: a button for each, without JavaScript."""
    visitor = Visitor(app)
    for name, scenario in SCENARIOS.items():
        assert f'action="/simulation/{name}"' in visitor.answer.text
        assert scenario.about in visitor.text


def test_a_button_plays_and_shows_what_came_of_it(app: Flask) -> None:
    """D10: level, detections with reasons, end and reference number, of a sign-in that is marked."""
    text = Visitor(app).press("anonymiser").text
    for word in (
        "It raised what it promises",
        "anonymous_ip",
        "is on the list of anonymisers",
        "high",
        "let in",
    ):
        assert word in text
    [reference] = re.findall(r"\b[2-9A-Z]{5}-[2-9A-Z]{5}\b", text)
    shown = app.test_cli_runner().invoke(args=["idprotect", "sign-in", "find", reference])
    assert "user: sim-anonymiser-1" in shown.output
    assert all(session().scalars(select(SignIn.simulated)))


def test_a_button_removes_everything(app: Flask) -> None:
    """F115: tidy, without a shell."""
    visitor = Visitor(app).press("new-phone").press("remove")
    assert "9 simulated users" in visitor.text
    session().rollback()
    assert session().scalars(select(User)).all() == []


def test_nothing_is_played_without_a_form_of_ours(app: Flask) -> None:
    """Section 3: a forged button makes nobody."""
    for action in ("new-phone", "remove"):
        assert Visitor(app).press(action, token="forged").answer.status_code == 400
    assert session().scalars(select(User)).all() == []


def test_what_is_no_scenario_is_not_found(app: Flask) -> None:
    """The address says nothing but a name from the table."""
    assert Visitor(app).press("nonsense").answer.status_code == 404


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/new-phone"), ("POST", "/remove")])
def test_the_page_is_absent_without_development_mode(
    method: str, path: str, tmp_path: Path, keys: Path
) -> None:
    """F115: whoever is on the network makes no users on a server that is in use."""
    tmp_path.chmod(0o700)
    ours = CHEAP | {
        "IDPROTECT_DEVELOPMENT": False,
        "IDPROTECT_SMS_SENDER": "null",
        "IDPROTECT_MAIL_SENDER": "null",
    }
    app = create_app({**ours, "IDPROTECT_ISSUER": URL, "IDPROTECT_INSTANCE_DIR": tmp_path})
    answer = app.test_client().open(f"/simulation{path}", method=method, base_url=URL)
    assert answer.status_code == 404
