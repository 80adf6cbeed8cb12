"""The README's first command: server, application and people, each in a process of its own, on SQLite."""

import html
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
import requests

from idprotect.demo.relying_party import create_app, event_words
from idprotect.demo.relying_party.signals import NotHeard
from idprotect.demo.seed import PASSWORD
from idprotect.event_types import VERIFICATION
from idprotect.shared_signals import events
from tests.support import PROJECT


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def demonstration(tmp_path: Path) -> Iterator[tuple[str, str, str]]:
    """Start the demonstration as a visitor would; yield both URLs and what the console says."""
    server, application = free_port(), free_port()
    command = [sys.executable, "-m", "idprotect.demo", "--instance", str(tmp_path / "instance")]
    command += ["--port", str(server), "--relying-party-port", str(application)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IDPROTECT_")}
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    try:
        urls = f"http://localhost:{server}", f"http://127.0.0.1:{application}"
        for url in (urls[0] + "/health", urls[1] + "/"):
            wait_for(url, process, tmp_path / "log")
        yield *urls, (tmp_path / "log").read_text()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(10)
        log.close()


def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a URL answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            requests.get(url, timeout=2)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(log.read_text())


def text_of(page: requests.Response) -> str:
    """Return what a page says."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


def press(visitor: requests.Session, page: requests.Response, **values: str) -> requests.Response:
    """Send the first form of a page of the server."""
    action = html.unescape(re.search(r'<form method="post"(?: action="([^"]*)")?', page.text).group(1) or "")
    values["csrf_token"] = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text).group(1)
    return visitor.post(urljoin(page.url, action), data=values, timeout=20)


def wait_for_text(url: str, *wanted: str) -> str:
    """Look at a page again until it says something, as a visitor would; return all that it says."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        said = text_of(requests.get(url, timeout=10))
        if all(one in said for one in wanted):
            return said
        time.sleep(0.3)
    raise AssertionError(said)


def test_a_visitor_finds_people_to_play_and_signs_in(demonstration: tuple[str, str, str]) -> None:
    """One line sets up and runs: the console says where to click, and what it says is true."""
    server, application, console = demonstration
    for url in (
        application,
        f"{server}/outbox",
        f"{server}/simulation",
        f"{server}/account",
        f"{server}/admin/",
    ):
        assert url in console
    password = re.search(r"\n +ada +(.+?) {2,}", console).group(1)
    visitor = requests.Session()
    page = visitor.get(application + "/sign-in", timeout=10)
    assert page.url.startswith(server + "/sign-in/")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text).group(1)
    form = {"csrf_token": token, "username": "ada", "password": password}
    page = visitor.post(page.url, data=form, timeout=10)
    assert "/interaction/" in page.url
    assert "more days" in page.text
    assert requests.get(f"{server}/outbox", timeout=10).ok
    assert "tim" in console


def test_a_visitor_watches_an_attack(demonstration: tuple[str, str, str]) -> None:
    """F115: the application's button leads to the server's page, whose button plays it, under the demo's policies."""
    server, application, _ = demonstration
    visitor = requests.Session()
    home = visitor.get(application, timeout=10).text
    assert f'href="{server}/simulation#brute-force">Brute force</a>' in home
    page = visitor.get(f"{server}/simulation", timeout=10)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text).group(1)
    played = visitor.post(f"{server}/simulation/brute-force", data={"csrf_token": token}, timeout=60)
    assert "It raised what it promises: repeated_failures." in played.text
    assert "stopped: asked for a second factor" in played.text


#: person → wrong passwords typed first, and the page that the README promises after the right one.
STORIES = {
    "zoe": (3, "notice"),
    "kim": (3, "block"),
    "leo": (0, "notice"),
    "max": (0, "notice"),
    "mia": (0, "block"),
}


def test_the_people_have_the_stories_that_the_readme_tells(demonstration: tuple[str, str, str]) -> None:
    """F066, F068, F069: each flow can be tried at once, in a browser that nobody has seen before."""
    _, application, console = demonstration
    for name, (wrong, step) in STORIES.items():
        password = re.search(rf"\n +{name} +(.+?) {{2,}}", console).group(1)
        visitor = requests.Session()
        page = visitor.get(application + "/sign-in", timeout=10)
        for typed in (*["not my password"] * wrong, password):
            token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text).group(1)
            form = {"csrf_token": token, "username": name, "password": typed}
            page = visitor.post(page.url, data=form, timeout=10)
        assert page.url.endswith(f"/{step}"), (name, page.url)


def test_the_application_steps_up_and_hears_that_its_user_is_compromised(
    demonstration: tuple[str, str, str], tmp_path: Path
) -> None:
    """F059, F111, C006, C018: acr before and after, the logout token, and the signals of one confirmed compromise."""
    server, application, _ = demonstration
    visitor = requests.Session()
    sign_in = visitor.get(application + "/sign-in", timeout=10)
    consent = press(visitor, sign_in, username="zoe", password=PASSWORD)
    assert "Hello, Zoë Haddad" in text_of(press(visitor, consent, answer="allow"))

    logout, signal = application + "/backchannel-logout", application + "/signals"
    assert requests.post(logout, data={"logout_token": "e30.e30.made-up"}, timeout=10).status_code == 400
    assert requests.post(signal, data="e30.e30.made-up", timeout=10).status_code == 400
    assert "Nothing so far" in text_of(requests.get(application + "/events", timeout=10))

    challenge = press(visitor, visitor.get(application + "/notes/payroll", timeout=10))
    code = re.search(r"\b\d{6}\b", text_of(requests.get(f"{server}/outbox", timeout=10))).group()
    payroll = press(visitor, challenge, code=code)
    assert payroll.url == application + "/notes/payroll"
    assert "acr aal1 aal2 amr pwd pwd, sms, mfa" in text_of(payroll)

    command = [sys.executable, "-m", "flask", "--app", "idprotect", "idprotect", "user"]
    command += ["confirm-compromised", "zoe", "--reason", "her mail was read"]
    environment = {
        **os.environ,
        "IDPROTECT_ISSUER": server,
        "IDPROTECT_DEVELOPMENT": "1",
        "IDPROTECT_INSTANCE_DIR": str(tmp_path / "instance"),
    }
    subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True)

    said = wait_for_text(application + "/events", "logout token", "risk-level-change", "session-revoked")
    assert "Zoë Haddad logout token The sign-in at the service has ended. We ended the stay here." in said
    assert "The risk that somebody else has the account is high now; it was low or none." in said
    assert "A session at the service is over: ended by an administrator." in said
    assert "Zoë Haddad assurance-level-change Signed in more strongly" in said
    farewell = visitor.get(application + "/notes", timeout=10)
    assert farewell.url == application + "/signed-out"
    assert "Your sign-in service has ended your sign-in, and told us" in text_of(farewell)


def test_the_application_says_that_its_provider_tells_it_nothing() -> None:
    """C018: without Shared Signals everything else works, and nobody waits for events in vain."""
    app = create_app({"DEMO_ISSUER": f"http://localhost:{free_port()}", "DEMO_CLIENT_ID": "notes"})
    with pytest.raises(NotHeard):
        app.extensions["northwind"].signals.subscribe()
    page = app.test_client().get("/events", base_url="http://127.0.0.1:8001")
    assert "We hear of sign-outs only." in page.text


def test_the_application_has_words_for_all_that_the_server_tells() -> None:
    """C018: an event of which the page could say nothing would never be shown."""
    assert set(event_words.EVENTS) == {*events.SUPPORTED, VERIFICATION}
    for event_type, in_words in event_words.EVENTS.items():
        assert re.fullmatch(r"[A-Z].+\.", in_words({})), event_type
