"""The README's first command: server, application and people, each in a process of its own, on SQLite."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

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
