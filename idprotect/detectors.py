"""Which detectors are asked, and with which thresholds: as the settings say."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from idprotect.errors import ConfigurationError
from idprotect.intelligence import sources
from idprotect.risk import Detector
from idprotect.risk.detections.configured import configured, name_of
from idprotect.risk.detections.listed_ip import ListedIp
from idprotect.settings import Settings

OFF, THRESHOLDS = "IDPROTECT_DETECTIONS_OFF", "IDPROTECT_DETECTION_THRESHOLDS"


@dataclass(frozen=True, slots=True)
class Detectors:
    """Who is asked.

    :param at_sign_in: at each sign-in with a password.
    :param in_session: when the cookie of a session turns up elsewhere.
    """

    at_sign_in: tuple[Detector, ...]
    in_session: tuple[Detector, ...]


def of_settings(settings: Settings) -> Detectors:
    """Return the detectors that are on.

    :raises ConfigurationError: for a name that no detection has, and for a value that does not fit.
    """
    known = {detector.name for detector in (*settings.detections, *settings.session_detections)}
    _check_names(OFF, settings.detections_off, known)
    _check_names(THRESHOLDS, map(name_of, settings.detection_thresholds), known)
    at_sign_in = _configured(settings.detections, settings)
    return Detectors(
        tuple(found for detector in at_sign_in for found in _from_other_settings(detector, settings)),
        _configured(settings.session_detections, settings),
    )


def _check_names(key: str, names: Iterable[str], known: set[str]) -> None:
    if unknown := sorted(set(names) - known):
        raise ConfigurationError(f"{key}: no such detection: {', '.join(unknown)}")


def _configured(detectors: Sequence[Detector], settings: Settings) -> tuple[Detector, ...]:
    try:
        return configured(detectors, settings.detections_off, settings.detection_thresholds)
    except ValueError as error:
        raise ConfigurationError(f"{THRESHOLDS}: {error}") from None


def _from_other_settings(detector: Detector, settings: Settings) -> Sequence[Detector]:
    """Return a detector as settings of its own have it: one for each address list that means only its level."""
    if isinstance(detector, ListedIp) and not detector.address_list:
        levels = sources.levels(sources.from_setting(settings.address_lists))
        return [ListedIp(name, level) for name, level in levels.items()] or [detector]
    return [detector]
