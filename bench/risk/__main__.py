"""Measure the risk engine and the baselines on labelled logs, and write ``bench/risk.md``.

    python -m bench.risk --data FOLDER              # a folder of logs beside their score.py
    python -m bench.risk --data FOLDER --log rare --output /tmp/risk.md

Needs numpy. Some three minutes for logs of 50,000 events.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from bench.risk import data
from bench.risk.baselines import BASELINES
from bench.risk.fit import Played, held_out, table
from bench.risk.report import Run, report
from bench.risk.systems import Idprotect

RESULT = Path(__file__).parent.parent / "risk.md"
#: Draws of the bootstrap, whose intervals are not shown here.
DRAWS = 2


def run(score: Any, log: Path) -> list[Run]:
    """Drive each engine through one log."""
    dataset = score.load(str(log))
    frame = score.Frame(dataset, 14)
    runs = []
    for system in (Idprotect(log, dataset), *(baseline() for baseline in BASELINES)):
        print(f"{log.name}: {system.name}", file=sys.stderr)
        measured = score.evaluate(dataset, score.drive(dataset, system), boot=DRAWS, frame=frame)
        runs.append(Run(log.name, system.name, measured, system.cpu / len(dataset.events) * 1e6))
    return runs


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with score.py and one folder for each log"
    )
    parser.add_argument("--log", action="append", help="only logs of these names")
    parser.add_argument("--output", type=Path, default=RESULT)
    asked = parser.parse_args()
    score = data.scorer(asked.data)
    chosen = [log for log in data.logs(asked.data) if not asked.log or log.name in asked.log]
    runs = [one for log in chosen for one in run(score, log)]
    others = table(held_out(score, [Played.of(score, log) for log in chosen])) if len(chosen) > 1 else ""
    marks = {log.name: data.fingerprint(log) for log in chosen}
    asked.output.write_text(report(runs, marks, others), encoding="utf-8")


if __name__ == "__main__":
    main()
