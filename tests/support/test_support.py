"""The supports hold: one PostgreSQL for two workers and none afterwards; servers end; the browser tells."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from . import PROJECT, unavailable
from . import postgres as postgres_module
from .browser import NewPage, assert_clean, problems, screenshot
from .live import gunicorn, serve, serve_built
from .postgres import Cluster, find_binaries, running_cluster

pytest_plugins = [f"{__package__}.browser", f"{__package__}.postgres"]

TWO_WORKERS = """
import json, os, time
from pathlib import Path
import sqlalchemy as sa

pytest_plugins = ["PACKAGE.postgres"]
MEETING = Path(__file__).parent

def test_meets_the_other_worker(postgres, postgres_url, worker_id):
    def build(url):
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE built (by text)"))
            connection.execute(sa.text("INSERT INTO built VALUES (:me)"), {"me": worker_id})
        engine.dispose()

    copy = postgres.create(postgres.template("filled", build))
    engine = sa.create_engine(postgres.url(copy))
    with engine.connect() as connection:
        built_by = connection.scalar(sa.text("SELECT by FROM built"))
        connections = connection.scalar(sa.text("SHOW max_connections"))
    engine.dispose()
    said = {"socket": postgres.socket, "url": postgres_url, "built_by": built_by, "connections": connections}
    (MEETING / f"{worker_id}.json").write_text(json.dumps(said))
    deadline = time.monotonic() + 60
    while len(list(MEETING.glob("gw*.json"))) < 2:
        assert time.monotonic() < deadline, "the other worker never came"
        time.sleep(0.02)
    if os.environ.get("DIE") == worker_id:
        os.kill(os.getpid(), 9)
"""


@pytest.mark.postgres
def test_two_workers_share_one_cluster_and_have_a_database_each(tmp_path: Path) -> None:
    first, second = meet(tmp_path)
    assert first["socket"] == second["socket"]
    assert first["url"] != second["url"]
    assert first["built_by"] == second["built_by"]
    assert first["connections"] == "200"
    assert_gone(first["socket"])


@pytest.mark.postgres
def test_a_killed_worker_leaves_no_cluster_behind(tmp_path: Path) -> None:
    first, _ = meet(tmp_path, DIE="gw1")
    assert_gone(first["socket"])


@pytest.mark.postgres
def test_every_test_starts_with_an_empty_database(postgres: Cluster, postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.begin() as connection:
        assert sa.inspect(connection).get_table_names() == []
        connection.execute(sa.text("CREATE TABLE mine (id integer)"))
        assert connection.scalar(sa.text("SELECT lower('ÅÖ')")) == "åö"
    with postgres.database() as other:
        assert other != postgres_url
    engine.dispose()


@pytest.mark.postgres
def test_a_template_that_could_not_be_built_is_built_again(postgres: Cluster) -> None:
    def fail(url: str) -> None:
        raise LookupError(url)

    with pytest.raises(LookupError):
        postgres.template("twice", fail)
    assert postgres.template("twice", lambda url: None) == "twice"
    with postgres.database("twice") as url:
        assert url.startswith("postgresql+psycopg://")


@pytest.mark.postgres
def test_a_cluster_can_be_started_anew_after_the_last_user_left(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as first:
        pass
    with running_cluster(tmp_path) as second, second.database() as url:
        assert second.socket in url
    assert_gone(first.socket)
    assert_gone(second.socket)


def test_what_is_missing_skips_here_and_fails_in_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "find_binaries", lambda: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="initdb"), running_cluster(tmp_path):
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI must not skip"), running_cluster(tmp_path):
        pass


def test_an_application_is_served_at_the_url_it_was_told() -> None:
    def build(url: str) -> Flask:
        app = Flask(__name__)
        app.add_url_rule("/", view_func=lambda: url)
        return app

    with serve_built(build, name="localhost") as url:
        assert url.startswith("http://localhost:")
        assert fetch(url) == url
    with pytest.raises(urllib.error.URLError):
        fetch(url)


@pytest.fixture
def module(tmp_path: Path) -> dict[str, str]:
    """A WSGI module outside the package, and the environment that finds it."""
    (tmp_path / "greeting.py").write_text(
        "import os\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [f\"{os.environ['SELF']} {os.getpid()}\".encode()]\n"
    )
    return {"PYTHONPATH": str(tmp_path)}


def test_gunicorn_is_ready_when_it_is_lent_and_gone_afterwards(module: dict[str, str]) -> None:
    with gunicorn(["-w", "2", "greeting:app"], lambda url: {**module, "SELF": url}) as server:
        told, worker = fetch(server.url).split()
        assert told == server.url
        assert int(worker) != server.process.pid
        assert "Booting worker" in server.log()
    with pytest.raises(urllib.error.URLError):
        fetch(server.url)
    with pytest.raises(ProcessLookupError):
        os.kill(int(worker), 0)


def test_a_gunicorn_that_does_not_stop_is_killed(module: dict[str, str]) -> None:
    with gunicorn(["greeting:app"], {**module, "SELF": "x"}) as server:
        os.killpg(server.process.pid, signal.SIGSTOP)
    assert server.process.returncode == -signal.SIGKILL


def test_a_gunicorn_that_cannot_start_says_why() -> None:
    reason = "No module named 'no_such_module'"
    with pytest.raises(RuntimeError, match=reason), gunicorn(["no_such_module:app"]):
        pass


@pytest.mark.browser
def test_the_browser_tells_what_it_did_not_like(new_page: NewPage) -> None:
    app = Flask(__name__)

    @app.get("/")
    def bad() -> tuple[str, dict[str, str]]:
        page = "<script>alert(1)</script><img src=/missing><img src=https://elsewhere.example/spy.gif>"
        return page, {"Content-Security-Policy": "default-src 'none'; img-src 'self' https:"}

    with serve(app) as url:
        for javascript in (True, False):
            page = new_page(javascript=javascript)
            page.goto(url)
            page.wait_for_load_state("networkidle")
            found = "\n".join(problems(page))
            assert "/missing" in found
            assert "request to another machine: https://elsewhere.example/spy.gif" in found
            assert ("Content Security Policy" in found) == javascript  # without scripts, none is refused


@pytest.mark.browser
def test_a_style_that_the_policy_refuses_is_noticed_without_javascript(new_page: NewPage) -> None:
    app = Flask(__name__)
    headers = {"Content-Security-Policy": "default-src 'none'"}
    app.add_url_rule("/", view_func=lambda: ("<p style='color: red'>Red</p>", headers))
    with serve(app) as url:
        page = new_page(javascript=False)
        page.goto(url)
        assert "Content Security Policy" in "\n".join(problems(page))


@pytest.mark.browser
def test_a_page_that_is_meant_to_be_an_error_is_clean(new_page: NewPage) -> None:
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: ("<link rel=icon href=data:,><h1>Blocked</h1>", 403))
    with serve(app) as url:
        page = new_page()
        answer = page.goto(url)
        assert answer is not None
        assert answer.status == 403
        assert_clean(page)


@pytest.mark.browser
def test_pages_have_a_size_a_scheme_and_an_owner(
    new_page: NewPage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(f"{__package__}.browser.SCREENSHOTS", tmp_path)
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: ("<h1>Hello</h1>", {"Set-Cookie": "seen=yes"}))
    with serve(app) as url:
        phone, tab, stranger = new_page(390, "dark"), new_page(), new_page(person="somebody else")
        for page in (phone, tab, stranger):
            page.goto("about:blank")
        phone.goto(url)
        assert phone.evaluate("innerWidth") == 390
        assert phone.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert [len(page.context.cookies()) for page in (tab, stranger)] == [1, 0]
        assert screenshot(phone, "hello/phone dark").name == "hello-phone-dark.png"


def meet(folder: Path, **environment: str) -> list[dict[str, str]]:
    """Run one test in each of two workers that wait for each other; return what both wrote down."""
    if find_binaries() is None:
        unavailable("PostgreSQL's initdb and postgres are not installed")
    depth = __package__.count(".") + 1
    (folder / "test_meeting.py").write_text(TWO_WORKERS.replace("PACKAGE", __package__))
    (folder / "pytest.ini").write_text("[pytest]\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    env |= {"PYTHONPATH": str(Path(__file__).parents[depth]), **environment}
    options = ["-n", "2", "--dist", "each", "--basetemp", str(folder / "tmp"), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", "-q", *options, str(folder)]
    run = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=180)
    expected = "crashed" if "DIE" in environment else "2 passed"
    assert expected in run.stdout, run.stdout + run.stderr
    return [json.loads(path.read_text()) for path in sorted(folder.glob("gw?.json"))]


def assert_gone(socket: str) -> None:
    """Wait for the keeper to have removed everything; it was not told to, it noticed."""
    deadline = time.monotonic() + 20
    while Path(socket).exists():
        assert time.monotonic() < deadline, f"{socket} is still there"
        time.sleep(0.05)


def fetch(url: str) -> str:
    """Return the body of an answer."""
    assert url.startswith("http://")
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read(), "utf-8")


assert PROJECT.joinpath("pyproject.toml").is_file()
