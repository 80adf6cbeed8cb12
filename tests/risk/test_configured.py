"""F025: detections that are switched off, and thresholds that an operator has set."""

from typing import Any

import pytest

from idprotect import detectors
from idprotect.errors import ConfigurationError
from idprotect.risk import Detector, Finding, Location
from idprotect.risk.detections import DETECTIONS
from idprotect.risk.detections.configured import configured
from idprotect.risk.detections.impossible_travel import ImpossibleTravel
from idprotect.risk.detections.listed_ip import ListedIp
from idprotect.risk.detections.repeated_failures import RepeatedFailures
from idprotect.risk.levels import RiskLevel
from idprotect.settings import load
from tests.risk.examples import AT, HOUR, ada, attempt, signals

STOCKHOLM = Location("SE", "Stockholm", 59.3293, 18.0686, 10.0)


def asked(**settings: Any) -> detectors.Detectors:
    """Return the detectors of a server with these settings, as text of its environment."""
    environ = {f"IDPROTECT_{key}": text for key, text in settings.items()}
    return detectors.of_settings(load({"IDPROTECT_ISSUER": "https://id.example"}, environ))


def names(found: tuple[Detector, ...]) -> list[str]:
    """Return the names of detectors, in order."""
    return [detector.name for detector in found]


def test_where_nothing_is_said_every_detection_is_as_it_is() -> None:
    """F025."""
    assert configured(DETECTIONS, (), {}) == DETECTIONS
    assert asked().at_sign_in == DETECTIONS


def test_what_is_off_is_asked_neither_at_sign_ins_nor_in_sessions() -> None:
    """F025: unfamiliarity is looked for in both."""
    found = asked(DETECTIONS_OFF="unfamiliar_sign_in, anonymous_ip")
    assert names(found.at_sign_in) == [
        name for name in names(DETECTIONS) if name not in ("unfamiliar_sign_in", "anonymous_ip")
    ]
    assert names(found.in_session) == ["anomalous_token"]
    assert names(asked(DETECTIONS_OFF="anomalous_token").in_session) == ["unfamiliar_sign_in"]


def test_a_threshold_makes_a_detection_stricter_or_milder() -> None:
    """F025: Stockholm is 420 km from Oslo, and 5,000 km/h are too fast only where that is not far too little."""
    there = signals(attempt(AT, place=STOCKHOLM, address="198.51.100.9"), ada(until=AT - HOUR / 12))
    (strict,) = configured([ImpossibleTravel()], (), {"impossible_travel.least_km": "300"})
    mild = configured([ImpossibleTravel()], (), {"impossible_travel.fastest_kmh": "9000"})[0]
    assert ImpossibleTravel().detect(there) is None, "nearer than 500 km is never far"
    assert isinstance(strict.detect(there), Finding)
    assert mild.detect(there) is None
    assert mild == ImpossibleTravel(fastest_kmh=9000.0)


def test_thresholds_keep_their_kind() -> None:
    """F025: numbers stay numbers of their kind, and levels levels."""
    found = asked(DETECTION_THRESHOLDS="repeated_failures.threshold=3, anonymous_ip.level=high")
    by_name: dict[str, Any] = {detector.name: detector for detector in found.at_sign_in}
    assert by_name["repeated_failures"] == RepeatedFailures(3)
    assert by_name["anonymous_ip"].level is RiskLevel.HIGH


def test_settings_of_their_own_reach_their_detections() -> None:
    """F013: one detector for each list that means only its level."""
    found = asked(ADDRESS_LISTS="botnet=/nowhere.txt@high,partners=/none.txt")
    assert [detector for detector in found.at_sign_in if isinstance(detector, ListedIp)] == [
        ListedIp("botnet", RiskLevel.HIGH),
        ListedIp("partners", RiskLevel.LOW),
    ]


@pytest.mark.parametrize(
    ("key", "text", "told"),
    [
        ("DETECTIONS_OFF", "impossible_travle", "no such detection: impossible_travle"),
        ("DETECTION_THRESHOLDS", "impossible_travle.least_km=3", "no such detection: impossible_travle"),
        ("DETECTION_THRESHOLDS", "impossible_travel.speed=3", "no threshold 'speed'; it has fastest_kmh"),
        ("DETECTION_THRESHOLDS", "impossible_travel=3", "no threshold ''"),
        ("DETECTION_THRESHOLDS", "anomalous_token.level=low", "no threshold 'level'"),
        ("DETECTION_THRESHOLDS", "impossible_travel.fastest_kmh=fast", "cannot be 'fast'"),
        ("DETECTION_THRESHOLDS", "impossible_travel.fastest_kmh=nan", "cannot be 'nan'"),
        ("DETECTION_THRESHOLDS", "impossible_travel.fastest_kmh=inf", "cannot be 'inf'"),
        ("DETECTION_THRESHOLDS", "repeated_failures.threshold=2.5", "cannot be '2.5'"),
        ("DETECTION_THRESHOLDS", "anonymous_ip.level=terrible", "cannot be 'terrible'"),
        ("DETECTION_THRESHOLDS", "impossible_travel.fastest_kmh", "wrong form"),
    ],
)
def test_what_does_not_fit_is_an_error_that_names_the_key(key: str, text: str, told: str) -> None:
    """F025: a mistyped switch is never a detection that silently stays on."""
    with pytest.raises(ConfigurationError, match=f"IDPROTECT_{key}.*{told}"):
        asked(**{key: text})


def test_a_bad_threshold_is_told_even_of_what_is_off() -> None:
    """F025: otherwise the mistake would wait until the detection is switched on."""
    with pytest.raises(ConfigurationError, match="least_km cannot be 'x'"):
        asked(DETECTIONS_OFF="impossible_travel", DETECTION_THRESHOLDS="impossible_travel.least_km=x")
