"""Fits the weights of the evidence: a logistic regression whose signs are fixed beforehand.

What speaks for a user may only lower the sum, everything else only raise it; so no accident of a log can turn the
meaning of a piece of evidence round. What is fitted on some logs is tried on another.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.risk.systems import Idprotect
from idprotect.replay import World
from idprotect.replay.engine import Judged

Array = NDArray[Any]

#: Evidence that speaks for the user, also by these names after ``session_``.
SPEAKS_FOR = frozenset({
    "net_site", "net_block", "net_place", "device_often", "device_mobile", "browser_updated", "site_shared",
    "same_site", "mobile_new", "failed_here",
})  # fmt: skip
#: What no attacker of these logs does, but some would, is not worth nothing for it.
LEAST = {"device_system": 0.5, "device_downgrade": 1.0, "session_cookie_gone": 0.5, "session_anonymous": 0.5}
#: Attackers who are hardest to tell from their victims count for more.
HARD = {"targeted": 1.5, "infostealer": 1.5, "token_theft": 1.5}
#: How often attacks are, in the first success and when coming back, for one legitimate sign-in.
FIRST, RETURN = 0.05, 0.015
RIDGE = 1e-5
SETTLED_DAYS = 7
DAY = 86400.0
#: Quantiles of legitimate sums at which low, medium and high begin.
QUANTILES = (0.98, 0.9905, 0.9975)
#: As things are; and where nothing is ever found, so that attackers come in and teach as well as anybody.
WORLDS = (World(), World(detections=(), session_detections=(), failure_detections=()))


@dataclass(frozen=True)
class Sample:
    """The evidence of the sign-ins of one log, with what is known of them."""

    log: str
    evidence: Sequence[Mapping[str, float]]
    malicious: Array
    weight: Array


@dataclass(frozen=True)
class Fit:
    """Fitted weights by name, and the base."""

    weights: Mapping[str, float]
    base: float

    def sum(self, evidence: Mapping[str, float]) -> float:
        """Return the log-odds of evidence."""
        return self.base + sum(self.weights.get(name, 0.0) * value for name, value in evidence.items())


@dataclass
class Played:
    """One log, played by the engine as it is."""

    log: str
    frame: Any
    evidence: list[dict[int, Mapping[str, float]]]
    prevented: list[Array]

    @classmethod
    def of(cls, score: Any, log: Path) -> "Played":
        """Collect the evidence of every event."""
        dataset = score.load(str(log))
        played = cls(log.name, score.Frame(dataset, 14), [], [])
        for world in WORLDS:
            evidence: dict[int, Mapping[str, float]] = {}

            def listen(judged: Judged, _message: Any, kept: dict[int, Any] = evidence) -> dict[str, Any]:
                kept[judged.event_id] = judged.signals.evidence  # type: ignore[index]
                return {}

            said = score.drive(dataset, Idprotect(log, dataset, listen, world))
            played.evidence.append(evidence)
            played.prevented.append(said["prevented"])
        return played

    def sample(self) -> Sample:
        """Return what there is to learn from: sign-ins with a valid password or session, after the first days."""
        frame, chosen, evidence = self.frame, [], []
        for found, prevented in zip(self.evidence, self.prevented, strict=True):
            is_stage = (frame.stage == "first") | (frame.stage == "return")
            usable = frame.valid & (frame.ts > SETTLED_DAYS * DAY) & ~prevented & (~frame.mal | is_stage)
            chosen.append(np.flatnonzero(usable))
            evidence += [found[event] for event in chosen[-1]]
        events = np.concatenate(chosen)
        return Sample(self.log, evidence, frame.mal[events], _weights(frame, events))


def _weights(frame: Any, events: Array) -> Array:
    """Let every kind of attack count alike, whatever its number, and all attacks as much as they are likely."""
    malicious, kinds, stages = frame.mal[events], frame.attack[events], frame.stage[events]
    weights = np.where(malicious, 0.0, 1 / (~malicious).sum())
    present = sorted(set(kinds[malicious & (stages == "first")]))
    for kind in present:
        for stage, share in (("first", FIRST * HARD.get(kind, 1.0)), ("return", RETURN)):
            mine = malicious & (kinds == kind) & (stages == stage)
            if mine.any():
                weights[mine] = share / len(present) / mine.sum()
    return weights


def fit(samples: Iterable[Sample], ridge: float = RIDGE) -> Fit:
    """Return the weights that explain the samples best (Newton's method, projected on the signs)."""
    samples = list(samples)
    evidence = [each for sample in samples for each in sample.evidence]
    names = sorted({name for each in evidence for name in each})
    features, signs = _matrix(evidence, names), np.array([_sign(name) for name in names])
    truth = np.concatenate([sample.malicious for sample in samples]).astype(float)
    share = np.concatenate([sample.weight for sample in samples])
    solved = _solve(features, truth, share / share.sum(), signs, ridge)
    return Fit(dict(zip(names, solved[:-1].tolist(), strict=True)), float(solved[-1]))


def _sign(name: str) -> int:
    return -1 if name.removeprefix("session_") in SPEAKS_FOR else 1


def _matrix(evidence: Sequence[Mapping[str, float]], names: Sequence[str]) -> Array:
    """Return one row a sign-in, one column a piece of evidence, and a column of ones for the base."""
    place = {name: column for column, name in enumerate(names)}
    matrix = np.zeros((len(evidence), len(names) + 1))
    matrix[:, -1] = 1.0
    for row, each in enumerate(evidence):
        for name, value in each.items():
            matrix[row, place[name]] = value
    return matrix


def _solve(features: Array, truth: Array, share: Array, signs: Array, ridge: float) -> Array:
    solution = np.zeros(features.shape[1])
    solution[-1] = np.log((share * truth).sum() / (share * (1 - truth)).sum())
    penalty = np.append(np.full(len(signs), ridge), 0.0)

    def loss(at: Array) -> float:
        sums = features @ at
        return float((share * (np.logaddexp(0, sums) - truth * sums)).sum() + (penalty * at**2).sum())

    for _ in range(100):
        likely = 1 / (1 + np.exp(-np.clip(features @ solution, -30, 30)))
        slope = features.T @ (share * (likely - truth)) + 2 * penalty * solution
        held = np.append((solution[:-1] == 0) & (signs * slope[:-1] > 0), False)
        free = np.flatnonzero(~held)
        bend = (features[:, free] * (share * likely * (1 - likely) + 1e-12)[:, None]).T @ features[:, free]
        step = np.zeros_like(solution)
        step[free] = np.linalg.solve(bend + np.diag(2 * penalty[free] + 1e-10), slope[free])
        moved = _shortened(solution, step, signs, loss)
        if loss(solution) - loss(moved) < 1e-10:
            return moved
        solution = moved
    return solution


def _shortened(solution: Array, step: Array, signs: Array, loss: Any) -> Array:
    """Go as far as it helps, and never across the sign of a weight."""
    before, length = loss(solution), 1.0
    while length > 1e-5:
        moved = solution - length * step
        moved[:-1] = np.where(signs * moved[:-1] < 0, 0.0, moved[:-1])
        if loss(moved) < before:
            return np.asarray(moved)
        length /= 2
    return solution


def tried(score: Any, played: Played, fitted: Fit) -> dict[str, tuple[float, float]]:
    """Return for each kind of attack the share stopped at 1 %, and the AUC, by the evidence alone."""
    frame, sums = played.frame, sums_of(played, fitted)
    live = frame.live & frame.valid & ~np.isnan(sums)
    legitimate = score.Neg(sums[live & ~frame.mal], frame.user[live & ~frame.mal])
    least = legitimate.threshold(0.01)
    found = {}
    for kind in score.TYPES:
        mine = sums[live & frame.mal & (frame.stage == "first") & (frame.attack == kind)]
        if len(mine):
            found[kind] = float((mine > least).mean()), score.auc(mine, legitimate)
    return found


def sums_of(played: Played, fitted: Fit) -> Array:
    """Return the sum of every event, in the world as it is."""
    sums = np.full(played.frame.n, np.nan)
    for event, evidence in played.evidence[0].items():
        sums[event] = fitted.sum(evidence)
    return sums


def thresholds(logs: Iterable[Played], fitted: Fit) -> list[float]:
    """Return the sums at which low, medium and high begin: the mean of what each log would have."""
    of_each = []
    for played in logs:
        sums, frame = sums_of(played, fitted), played.frame
        legitimate = sums[frame.live & frame.valid & ~frame.mal & ~np.isnan(sums)]
        of_each.append(np.quantile(legitimate, QUANTILES))
    return [float(value) for value in np.mean(of_each, axis=0)]


def held_out(
    score: Any, logs: Sequence[Played], ridge: float = RIDGE
) -> dict[str, dict[str, tuple[float, float]]]:
    """Return what weights that were fitted on the other logs do on each."""
    samples = {played.log: played.sample() for played in logs}
    return {
        played.log: tried(score, played, fit((s for log, s in samples.items() if log != played.log), ridge))
        for played in logs
    }


def table(found: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Return what was tried, one row a kind of attack."""
    kinds = list(dict.fromkeys(kind for of in found.values() for kind in of))
    lines = [
        f"| attack | {' | '.join(f'{log}: stopped at 1%; AUC' for log in found)} |",
        "| --- " * (len(found) + 1) + "|",
    ]
    for kind in kinds:
        cells = (f"{of[kind][0]:.0%}; {of[kind][1]:.4f}" if kind in of else "–" for of in found.values())
        lines.append(f"| `{kind}` | {' | '.join(cells)} |")
    means = (np.mean(list(of.values()), axis=0) for of in found.values())
    lines.append(f"| **all alike** | {' | '.join(f'{mean[0]:.1%}; {mean[1]:.4f}' for mean in means)} |")
    return "\n".join(lines)
