"""Fit the weights of the evidence on labelled logs, and print what would go into ``idprotect/risk/weights.py``.

    python -m bench.risk_fit --data FOLDER          # a folder of logs beside their score.py; needs numpy

Two rounds are enough after evidence was changed: the second sees the world as the first makes it.
"""

import argparse
from pathlib import Path

from bench.risk import data
from bench.risk.fit import LEAST, RIDGE, Played, fit, held_out, table, thresholds, tried
from idprotect.risk.weights import WEIGHTS

#: What weighs less is left out.
LEAST_WEIGHT = 0.05


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder with score.py and one folder for each log"
    )
    parser.add_argument("--ridge", type=float, default=RIDGE, help="how hard weights are pulled towards 0")
    asked = parser.parse_args()
    score = data.scorer(asked.data)
    logs = [Played.of(score, log) for log in data.logs(asked.data)]
    print(f"Each log by what was fitted on the others:\n\n{table(held_out(score, logs, asked.ridge))}\n")
    fitted = fit((played.sample() for played in logs), asked.ridge)
    print(
        f"All by what was fitted on all:\n\n{table({played.log: tried(score, played, fitted) for played in logs})}\n"
    )
    print(f"BASE = {fitted.base:.2f}\nTHRESHOLDS = {[round(value, 2) for value in thresholds(logs, fitted)]}")
    for name, nats in fitted.weights.items():
        weight = max(nats, LEAST.get(name, nats))
        now = f"{WEIGHTS[name].nats}" if name in WEIGHTS else "not weighed"
        print(
            f'    "{name}": {weight:.2f}  # now {now}' + ("" if abs(weight) >= LEAST_WEIGHT else ", left out")
        )


if __name__ == "__main__":
    main()
