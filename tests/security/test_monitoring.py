"""For whoever runs the server: health, readiness, and numbers that name nobody."""

from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from idprotect import protection
from idprotect.models import session
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
