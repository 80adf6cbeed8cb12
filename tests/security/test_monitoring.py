"""For whoever runs the server: health, readiness, and numbers that name nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from idprotect import migrations, protection, request_times
from idprotect.models import RequestTime, session
from idprotect.runtime import runtime
from tests.security.place import Place

TOKEN = "a-token-of-the-monitoring-system-of-ours"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def watched(make_a_place: Callable[..., Place]) -> Place:
    """A server whose numbers may be read."""
    return make_a_place(IDPROTECT_METRICS_TOKEN=TOKEN)


def numbers(place: Place) -> dict[tuple[str, str], float]:
    """Return each number by its name and the value of its label, read as Prometheus reads it."""
    answer = place.browser().send("GET", "/metrics", headers=BEARER).response
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, ",".join(sample.labels.values())): sample.value for sample in samples}


def test_the_numbers_follow_what_is_stored(watched: Place) -> None:
    """C099: people at risk, sign-ins, detections; all of the last minutes are gone when those are over."""
    watched.make_user()
    watched.signed_in()
    watched.browser().start().sign_in("ada", "a wrong password it is")
    watched.act(protection.confirm_compromised, "ada", "test")
    now = numbers(watched)
    assert now["idprotect_users_at_risk", "high"] == 1
    assert now["idprotect_sign_ins", "failed"] == 1
    assert now["idprotect_sign_ins", "completed"] == 1
    assert now["idprotect_detections", "admin_confirmed"] == 1
    assert now["idprotect_evaluation_failures", ""] == 0
    watched.clock.move(minutes=6)
    later = numbers(watched)
    assert later["idprotect_users_at_risk", "high"] == 1
    assert later["idprotect_sign_ins", "completed"] == 0
    assert ("idprotect_detections", "admin_confirmed") not in later


def test_an_emergency_and_a_gate_that_fails_can_be_alarmed_on(
    watched: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C099, F116: what fails closed must not fail in silence."""
    watched.make_user()
    assert watched.cli("policy", "emergency", "on", "--reason", "test").exit_code == 0

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patch:
        patch.setattr("idprotect.gate.evaluate", broken)
        watched.browser().start().sign_in()
    now = numbers(watched)
    assert now["idprotect_emergency", ""] == 1
    assert now["idprotect_evaluation_failures", ""] >= 1


def test_requests_are_counted_by_endpoint_status_and_time(watched: Place) -> None:
    """C099: a histogram for each; over all processes, for they are stored, and not those of other pages of a host."""
    for _ in range(3):
        watched.browser().send("GET", "/health")
    watched.browser().send("GET", "/health/nothing-here")
    with watched.app.app_context():
        request_times.write(now=True)
    answer = watched.restarted().browser().send("GET", "/metrics", headers=BEARER).response
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    family = families["idprotect_request_seconds"]
    assert family.type == "histogram"
    counts = {
        (sample.labels["endpoint"], sample.labels["status"]): sample.value
        for sample in family.samples
        if sample.name.endswith("_count")
    }
    assert counts == {("idprotect.health", "2xx"): 3}
    for key, count in counts.items():
        of_key = [s for s in family.samples if (s.labels["endpoint"], s.labels["status"]) == key]
        up_to = [s.value for s in of_key if s.name.endswith("_bucket")]
        assert up_to == sorted(up_to) and up_to[-1] == count
        (seconds,) = [s.value for s in of_key if s.name.endswith("_sum")]
        assert 0 < seconds < 60 * count


def test_what_answers_before_flask_is_let_through(watched: Place) -> None:
    """A host's own middleware, say for maintenance."""

    def closed(environ: Any, start_response: Any) -> list[bytes]:
        start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
        return [b"closed"]

    watched.app.wsgi_app = closed  # type: ignore[method-assign]
    request_times.watch(watched.app, watched.app.extensions["idprotect"].request_times)
    assert watched.browser().send("GET", "/health").response.status_code == 503


def test_nothing_is_timed_where_nobody_reads_it(place: Place) -> None:
    place.browser().send("GET", "/health")
    with place.app.app_context():
        request_times.write(now=True)
    assert place.rows(RequestTime) == []


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_no_answer_is_lost_between_threads(
    database: str, make_a_place: Callable[..., Place], request: pytest.FixtureRequest
) -> None:
    """Added up while it is written, by several at once; on either database."""
    url = {} if database == "sqlite" else {"IDPROTECT_DATABASE_URL": request.getfixturevalue("postgres_url")}
    place = make_a_place(IDPROTECT_METRICS_TOKEN=TOKEN, **url)
    with place.app.app_context():
        migrations.upgrade()

    def answer(number: int) -> None:
        with place.app.app_context():
            for _ in range(200):
                runtime().request_times.add("idprotect.live", 200, number * 0.011)
            request_times.write(now=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(answer, range(8)))
    rows = place.rows(RequestTime, RequestTime.endpoint == "idprotect.live")
    assert sum(row.times for row in rows) == 8 * 200
    assert sum(row.seconds for row in rows) == pytest.approx(200 * 0.011 * sum(range(8)))


def test_the_numbers_name_nobody(watched: Place) -> None:
    """Section 11: no user name, address or id."""
    user_id = watched.make_user()
    visitor = watched.signed_in()
    said = watched.browser().send("GET", "/metrics", headers=BEARER).response.text
    for secret in ("ada", user_id, visitor.headers["X-Forwarded-For"]):
        assert secret not in said


def test_only_whoever_has_the_token_reads_them(watched: Place, place: Place) -> None:
    """C099, closed by default: without a setting there is no such page."""
    assert place.browser().send("GET", "/metrics", headers=BEARER).response.status_code == 404
    for header in ("", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \xe4"):
        answer = watched.browser().send("GET", "/metrics", headers={"Authorization": header}).response
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer"), header
        assert "idprotect_" not in answer.text


def test_it_is_ready_while_the_database_answers(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """C099: 503 says nothing of why; the process itself lives."""

    def status(path: str) -> int:
        return place.browser().send("GET", path).response.status_code

    assert (status("/health"), status("/health/ready")) == (200, 200)
    with place.app.app_context():
        session().connection().exec_driver_sql("ALTER TABLE idprotect_user RENAME TO gone")
        session().commit()
    answer = place.browser().send("GET", "/health/ready").response
    assert (answer.status_code, answer.get_json()) == (503, {"status": "not ready"})
    assert status("/health") == 200
