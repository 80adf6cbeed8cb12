"""Detections as an operator wants them: some switched off, some with other thresholds."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from idprotect.risk.assessment import Detector
from idprotect.risk.levels import RiskLevel


def configured(
    detectors: Iterable[Detector], off: Collection[str], thresholds: Mapping[str, str]
) -> tuple[Detector, ...]:
    """Return the detectors that are on, with their thresholds; what is said of others does not matter here.

    :param off: names of detections.
    :param thresholds: ``name.field`` → value, such as ``impossible_travel.fastest_kmh`` → ``800``.
    :raises ValueError: for a field that is no threshold, and a value that does not fit, also of what is off.
    """
    changed = [_changed(detector, _of(detector.name, thresholds)) for detector in detectors]
    return tuple(detector for detector in changed if detector.name not in off)


def name_of(threshold: str) -> str:
    """Return the detection that a threshold ``name.field`` belongs to."""
    return threshold.partition(".")[0]


def _of(name: str, thresholds: Mapping[str, str]) -> dict[str, str]:
    return {key.partition(".")[2]: value for key, value in thresholds.items() if name_of(key) == name}


def _changed(detector: Detector, texts: Mapping[str, str]) -> Detector:
    if not texts:
        return detector
    frozen: Any = detector
    present = (
        {field.name: getattr(detector, field.name) for field in fields(frozen)}
        if is_dataclass(frozen)
        else {}
    )
    changed: Detector = replace(
        frozen, **{f: _value(detector.name, f, text, present) for f, text in texts.items()}
    )
    return changed


def _value(name: str, field: str, text: str, present: Mapping[str, Any]) -> Any:
    """Return the text as what the threshold is now."""
    now = present.get(field)
    if field not in present or not isinstance(now, RiskLevel | int | float):
        raise ValueError(f"{name} has no threshold {field!r}; it has {', '.join(sorted(present)) or 'none'}")
    try:
        value = RiskLevel.parse(text) if isinstance(now, RiskLevel) else type(now)(text)
    except ValueError:
        raise ValueError(f"{name}.{field} cannot be {text!r}") from None
    if not isinstance(now, RiskLevel) and not -1e9 < value < 1e9:
        raise ValueError(f"{name}.{field} cannot be {text!r}")
    return value
