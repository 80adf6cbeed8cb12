"""Two successes of one user, farther apart than travel allows."""

from dataclasses import dataclass
from typing import ClassVar

from idprotect.risk.assessment import Answer, Finding, NotEvaluated, Signals
from idprotect.risk.levels import About, RiskLevel
from idprotect.risk.population import NOBODY, reaches
from idprotect.risk.profile import Point
from idprotect.risk.travel import FASTEST_KMH, hours, kilometres, speed_kmh

#: Mean radius beyond which a location says too little (kilometres).
COARSE_KM = 250.0


@dataclass(frozen=True, slots=True)
class ImpossibleTravel:
    """:param fastest_kmh: faster than this is impossible.
    :param least_km: nearer than this is never far.
    :param shared_by: an address that so many users are known at is an egress of many, not a place.
    """

    name: ClassVar[str] = "impossible_travel"
    fastest_kmh: float = FASTEST_KMH
    least_km: float = 500.0
    shared_by: float = 3.0

    def detect(self, signals: Signals) -> Answer:
        """Compare with the last success, unless either end may not be where the user is."""
        before, here = signals.profile.last, Point.of(signals.attempt)
        if before is None:
            return NotEvaluated("there is no earlier sign-in to compare with")
        distance, speed = kilometres(before, here), speed_kmh(before, here)
        if distance is None or speed is None:
            return signals.not_located("a place is not known")
        if max(before.accuracy_km or 0, here.accuracy_km or 0) > COARSE_KM:
            return NotEvaluated("a location is too coarse")
        if speed <= self.fastest_kmh or distance < self.least_km:
            return None
        if self._may_be_elsewhere(signals, before, here):
            return None
        level = RiskLevel.MEDIUM if signals.known_device else RiskLevel.HIGH
        return Finding(
            self.name, level, About.SIGN_IN, *self._reasons(signals, before, here, distance, speed)
        )

    def _may_be_elsewhere(self, signals: Signals, before: Point, here: Point) -> bool:
        """Whether an end is a data centre (a VPN), a carrier's hub, a place of the user's or an egress of many."""
        attempt, profile = signals.attempt, signals.profile
        if before.hosting or here.hosting or before.mobile or here.mobile:
            return True
        if profile.times("site", attempt.site, attempt.at) or profile.times(
            "place", attempt.place, attempt.at
        ):
            return True
        return reaches(signals.counts.get(("site", attempt.site), NOBODY).users, self.shared_by)

    def _reasons(
        self, signals: Signals, before: Point, here: Point, distance: float, speed: float
    ) -> tuple[tuple[str, ...], dict[str, object]]:
        time = hours(before, here)
        text = (
            f"{distance:,.0f} km from {before.country or 'somewhere'} to {here.country or 'somewhere'} in "
            f"{time:.1f} h: at least {speed:,.0f} km/h, and nobody travels faster than {self.fastest_kmh:,.0f} km/h"
        )
        device = "the device is known" if signals.known_device else "the device is new"
        values = {"from": before.country, "to": here.country, "km": round(distance), "hours": round(time, 2)}
        return (text, device), {**values, "kmh": round(speed), "fastest_kmh": self.fastest_kmh}
