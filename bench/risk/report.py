"""Writes what was measured as Markdown, with what idprotect is not best at first."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.risk.data import CHALLENGE_RATES

#: The macro averages that the README of the logs states for its strongest engine; it is not available to run.
HAND_SET = {"mixed": (0.985, 0.78), "rare": (0.980, 0.70), "workforce": (0.989, 0.78)}
#: What it stops at 1 % of the kinds that are hardest for it, over the logs.
HAND_SET_HARDEST = {"infostealer": 0.22, "targeted": 0.31, "token_theft": 0.66, "aitm": 0.79}
OURS = "idprotect"
#: What the last recorded run of the large log took.
SCALE = Path(__file__).parent.parent / "risk_scale.json"
INTRODUCTION = """\
Simulated sign-ins with labels, judged in lock-step after 14 days of warm-up. *Stopped at 1%*: the share of attacks
above the score that 1% of legitimate sign-ins exceed. Kinds of attack weigh the same in averages. The weights were
fitted on these very logs, so their own figures flatter; see *Held out*. Baselines are our own implementations of what
was published (`bench/risk/baselines.py`).
"""
HELD_OUT = """\
Each log by weights that were fitted on the other logs, by the evidence alone, without the rules (`bench/risk_fit.py`).
"""
RATES = [str(rate) for rate in CHALLENGE_RATES]


@dataclass(frozen=True)
class Run:
    """What the scorer measured of one engine on one log."""

    log: str
    engine: str
    measured: dict[str, Any]
    cpu_us: float

    @property
    def kinds(self) -> list[str]:
        """The kinds of attack in the log."""
        return list(self.measured["positives"])

    def auc(self, kind: str) -> float:
        """Return the area under the curve of one kind, or over all."""
        return float(self.measured["auc"][kind]["value"])

    def stopped(self, kind: str, rate: str = RATES[0]) -> float:
        """Return the share of attacks stopped when that share of legitimate sign-ins is challenged."""
        return float(self.measured["tpr_at_fpr"][rate][kind]["value"])


def report(runs: Sequence[Run], logs: dict[str, str], held_out: str = "") -> str:
    """Return the whole report.

    :param logs: name → what tells the log from another.
    :param held_out: the table of weights that were tried on a log they were not fitted on.
    """
    parts = [
        "# The risk engine, measured\n",
        "Made by `python -m bench.risk --data FOLDER`; do not edit. Data: " + _names(logs) + ".\n",
        INTRODUCTION,
        "## Where idprotect is not the best\n",
        *_weaknesses(runs),
        "\n## All attacks together\n",
        _overall(runs),
    ]
    if held_out:
        parts += ["\n## Held out\n", HELD_OUT, held_out]
    for log in logs:
        parts += [f"\n## Each kind of attack: {log}\n", _by_kind([run for run in runs if run.log == log])]
    parts += [
        "\n## Legitimate sign-ins challenged, by number of earlier sign-ins\n",
        "Share at the score that 1 % of all exceed (and, for idprotect, at its own medium).\n",
        _by_history(runs),
        "\n## Campaigns: how soon they show\n",
        "Attempts and hours until a third attempt, also a failing one, is above 1% of the legitimate failures.\n",
        _campaigns(runs),
        "\n## User risk, and time\n",
        "Misused accounts at medium or above within a day, and accounts never misused that were there at any time; CPU "
        "of judging and learning.\n",
        _user_risk(runs),
        "\n## A large log\n",
        *_scale(),
    ]
    return "\n".join(parts) + "\n"


def _names(logs: dict[str, str]) -> str:
    return ", ".join(f"`{name}` ({mark})" for name, mark in logs.items())


def _weaknesses(runs: Sequence[Run]) -> list[str]:
    """Return each kind of attack that a baseline stops more of, or ranks better."""
    found = []
    for ours in (run for run in runs if run.engine == OURS):
        others = [run for run in runs if run.log == ours.log and run.engine != OURS]
        for kind in ours.kinds:
            found += [_better(ours, other, kind, rate) for other in others for rate in RATES]
            found += [_ranks_better(ours, other, kind) for other in others]
    hardest = [_against_hand_set(runs, kind, share) for kind, share in HAND_SET_HARDEST.items()]
    told = [line for line in [*found, *hardest] if line]
    return told or ["No baseline is better at any kind of attack on any of these logs."]


def _better(ours: Run, other: Run, kind: str, rate: str) -> str:
    mine, theirs = ours.stopped(kind, rate), other.stopped(kind, rate)
    at = f"at {float(rate):.0%}"
    told = f"- {ours.log}, `{kind}` {at}: {other.engine} stops {theirs:.1%}, idprotect {mine:.1%}"
    return told if theirs > mine else ""


def _ranks_better(ours: Run, other: Run, kind: str) -> str:
    mine, theirs = ours.auc(kind), other.auc(kind)
    told = f"- {ours.log}, `{kind}`: {other.engine} has AUC {theirs:.4f}, idprotect {mine:.4f}"
    return told if theirs > mine else ""


def _against_hand_set(runs: Sequence[Run], kind: str, share: float) -> str:
    mine = [run.stopped(kind) for run in runs if run.engine == OURS and kind in run.kinds]
    if not mine or sum(mine) / len(mine) > share:
        return ""
    ours = sum(mine) / len(mine)
    return f"- `{kind}` at 1%: the hand-set engine of the README stops {share:.0%}, idprotect {ours:.0%}"


def _overall(runs: Sequence[Run]) -> str:
    head = ("log", "engine", "AUC, kinds alike", "AUC, pooled", *(f"stopped at {float(r):.0%}" for r in RATES),
            "own medium: challenged → found")  # fmt: skip
    rows = []
    for log in dict.fromkeys(run.log for run in runs):
        for run in (run for run in runs if run.log == log):
            own = run.measured["own"]["medium"]
            stopped = (f"{run.stopped('macro', rate):.1%}" for rate in RATES)
            points = f"{own['fpr']:.2%} → {own['tpr']['macro']:.1%}"
            rows.append(
                (log, run.engine, f"{run.auc('macro'):.4f}", f"{run.auc('pooled'):.4f}", *stopped, points)
            )
        if log in HAND_SET:
            auc, stopped_at_1 = HAND_SET[log]
            rows.append(
                (log, "hand-set (as its README says)", f"{auc:.3f}", "", f"{stopped_at_1:.0%}", "", "", "")
            )
    return _table(head, rows)


def _by_kind(runs: Sequence[Run]) -> str:
    head = ("attack", "n", *(f"{run.engine}: AUC; stopped at {_percents()}" for run in runs))
    rows = []
    for kind in runs[0].kinds:
        cells = []
        for run in runs:
            stopped = " / ".join(f"{run.stopped(kind, rate):.0%}" for rate in RATES)
            cells.append(f"{run.auc(kind):.4f}; {stopped}")
        rows.append((f"`{kind}`", str(runs[0].measured["positives"][kind]), *cells))
    return _table(head, rows)


def _percents() -> str:
    return " / ".join(f"{float(rate):.0%}" for rate in RATES)


def _by_history(runs: Sequence[Run]) -> str:
    steps = list(dict.fromkeys(step for run in runs for step in run.measured["challenge_by_history"]))
    rows = []
    for run in runs:
        of = run.measured["challenge_by_history"]
        rows.append((run.log, run.engine, *(_challenged(of.get(step), run.engine) for step in steps)))
    return _table(("log", "engine", *steps), rows)


def _challenged(rate: dict[str, float] | None, engine: str) -> str:
    if rate is None:
        return "–"
    own = f" ({rate['own_medium']:.1%})" if engine == OURS else ""
    return f"{rate['at_fpr_1pct']:.1%}{own}"


def _campaigns(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        for kind, found in run.measured["campaigns"].items():
            summary = found["summary"]["at_1pct"]
            if summary["campaigns"]:
                rows.append((run.log, f"`{kind}`", run.engine, *_detected(summary)))
    return _table(
        ("log", "campaigns", "engine", "noticed", "attempts, median", "hours, median", "attempts above"), rows
    )


def _detected(summary: dict[str, Any]) -> tuple[str, ...]:
    noticed = f"{summary['detected']} of {summary['campaigns']}"
    if not summary["detected"]:
        return noticed, "–", "–", f"{summary['share_events_flagged']:.0%}"
    medians = f"{summary['median_attempts']:.0f}", f"{summary['median_hours']:.2f}"
    return noticed, *medians, f"{summary['share_events_flagged']:.0%}"


def _user_risk(runs: Sequence[Run]) -> str:
    rows = []
    for run in runs:
        risk = run.measured.get("user_risk")
        told = (f"{risk['recall_24h']:.1%}", f"{risk['false_positive_users']:.1%}") if risk else ("–", "–")
        rows.append((run.log, run.engine, *told, f"{run.cpu_us:.0f} µs"))
    return _table(("log", "engine", "misused found", "never misused, at risk", "CPU an event"), rows)


def _scale() -> list[str]:
    """Return what ``python -m bench.risk_scale --record`` took last."""
    took = json.loads(SCALE.read_text(encoding="utf-8"))
    parts = [
        (f"{part['up_to']:,}", f"{part['cpu_us_per_event']} µs", f"{part['loop_us'] / 1000:.0f} ms")
        for part in took["by_events"]
    ]
    return [
        f"`{took['command']}`: {took['events']:,} events of {took['users']:,} users: at most "
        f"{took['largest_mb']} MB (goal 1,000) and {took['cpu_us_per_event']} µs CPU an event (goal 300). The load of "
        f"the machine, with {took['cores']} cores, was {took['load_before']} before and {took['load_after']} after; "
        "beside other work an event costs up to twice as much.\n",
        _table(("events up to", "CPU an event", "CPU of a fixed loop then"), parts),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
