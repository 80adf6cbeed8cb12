"""Numbers for a monitoring system (Prometheus), read from what is stored: whichever worker is asked, they are the same.

None of them names anybody. What is counted over time is counted over the last minutes, by an index; requests since
there is this database.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import case, func, literal_column, select

from idprotect import clock, policies, request_times
from idprotect.audit import Event
from idprotect.models import (
    AuditEvent,
    Delivery,
    Receipt,
    RiskDetection,
    SignalSource,
    SignIn,
    User,
    Webhook,
    session,
)
from idprotect.risk import RiskLevel
from idprotect.runtime import runtime

WINDOW = timedelta(minutes=5)

Counts = Sequence[tuple[Any, int | float]]


class Stored(Collector):
    """Reads all numbers anew each time."""

    def collect(self) -> Iterator[GaugeMetricFamily | HistogramMetricFamily]:
        """Yield each number, with one value for each value of its label."""
        yield _gauge("users_at_risk", "People at risk now.", "level", _people())
        yield _gauge("sign_ins", "Sign-ins of the last five minutes.", "outcome", _sign_ins())
        yield _gauge(
            "interruptions", "Decisions of the last five minutes that stopped or asked.", "outcome", _asked()
        )
        yield _gauge("detections", "Detections of the last five minutes.", "name", _detections())
        failures = [("", _events(Event.RISK_EVALUATION_FAILED))]
        yield _gauge(
            "evaluation_failures", "Times in five minutes that nothing could be decided.", "", failures
        )
        yield _gauge("deliveries_waiting", "What waits to be told to others.", "kind", _waiting())
        disabled = select(func.count()).where(Webhook.disabled_at.is_not(None))
        yield _gauge("webhooks_disabled", "Webhooks that took nothing.", "", [("", _one(disabled))])
        held = select(func.count()).where(SignalSource.held_since.is_not(None))
        yield _gauge(
            "signal_sources_held", "Signal sources of which nothing has an effect.", "", [("", _one(held))]
        )
        force = policies.current()
        yield _gauge("policy_version", "The policies in force.", "", [("", force.version)])
        yield _gauge("emergency", "1: every policy only reports.", "", [("", int(force.emergency))])
        yield _gauge("data_age_seconds", "Age of data files.", "source", _ages())
        yield _requests()


def text() -> bytes:
    """Return all numbers in the text format."""
    request_times.write(now=True)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Stored())
    return generate_latest(registry)


def _gauge(name: str, about: str, label: str, values: Counts) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"idprotect_{name}", about, labels=[label] if label else [])
    for of, value in values:
        family.add_metric([of] if label else [], value)
    return family


def _requests() -> HistogramMetricFamily:
    about = "How long requests took, by endpoint and class of status."
    family = HistogramMetricFamily("idprotect_request_seconds", about, labels=["endpoint", "status"])
    for endpoint, status, up_to, seconds in request_times.stored():
        family.add_metric([endpoint, status], up_to, seconds)
    return family


def _people() -> Counts:
    # As it stands in the partial index.
    risky = (User.risk_state != literal_column("'none'"), User.risk_level > 0, ~User.simulated)
    found = dict(_grouped(User.risk_level, *risky))
    return [(level.label, found.get(int(level), 0)) for level in RiskLevel if level]


def _sign_ins() -> Counts:
    outcome = case(
        (~SignIn.succeeded, "failed"), (SignIn.completed_at.is_not(None), "completed"), else_="stopped"
    )
    found = dict(_grouped(outcome, SignIn.signed_in_at > _since(), ~SignIn.simulated))
    return [(name, found.get(name, 0)) for name in ("failed", "completed", "stopped")]


def _asked() -> Counts:
    return _grouped(Receipt.outcome, Receipt.outcome != literal_column("'allowed'"), Receipt.at > _since())


def _detections() -> Counts:
    return _grouped(RiskDetection.name, RiskDetection.detected_at > _since(), ~RiskDetection.simulated)


def _waiting() -> Counts:
    return _grouped(Delivery.kind, Delivery.due_at.is_not(None))


def _ages() -> Counts:
    ages = ((row.name, row.age_seconds) for row in runtime().intelligence.health())
    return [(name, age) for name, age in ages if age is not None]


def _events(event: Event) -> int:
    return _one(select(func.count()).where(AuditEvent.name == str(event), AuditEvent.at > _since()))


def _grouped(column: Any, *conditions: Any) -> Counts:
    counted = select(column, func.count()).where(*conditions).group_by(column).order_by(column)
    return [(row[0], row[1]) for row in session().execute(counted)]


def _one(statement: Any) -> int:
    return session().scalar(statement) or 0


def _since() -> Any:
    return clock.now() - WINDOW
