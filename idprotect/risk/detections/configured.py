"""Detections as an operator wants them: some switched off, some with other thresholds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from idprotect.risk.assessment import Detector
from idprotect.risk.levels import RiskLevel


def configured(
    detectors: Sequence[Detector], off: Iterable[str], thresholds: Mapping[str, str]
) -> tuple[Detector, ...]:
    """Return the detectors that are on, with their thresholds.

    :param off: names of detections.
    :param thresholds: ``name.field`` → value, such as ``impossible_travel.fastest_kmh`` → ``800``.
    :raises ValueError: for a name that no detection has, and a value that does not fit.
    """
    known = {detector.name for detector in detectors}
    wanted: dict[str, dict[str, str]] = {}
    for key, value in thresholds.items():
        name, _, field = key.partition(".")
        wanted.setdefault(name, {})[field] = value
    if unknown := sorted((set(off) | wanted.keys()) - known):
        raise ValueError("no such detection: " + ", ".join(unknown))
    return tuple(_changed(d, wanted.get(d.name, {})) for d in detectors if d.name not in set(off))


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
