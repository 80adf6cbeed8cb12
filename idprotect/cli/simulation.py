"""Commands that play with simulated people."""

import click

from idprotect import simulation
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.errors import IDProtectError
from idprotect.simulation import SCENARIOS


@command(idprotect, "simulate")
@click.argument("scenarios", nargs=-1, type=click.Choice(list(SCENARIOS)))
@click.option(
    "--seed", default=1, show_default=True, help="Another seed: other days, addresses and browsers."
)
@click.option("--user", "username", help="Name of the simulated user, for one scenario.")
@click.option("--remove", is_flag=True, help="Delete everything that was simulated, instead.")
@click.option("--list", "as_list", is_flag=True, help="Say what can be played, instead.")
def simulate(
    scenarios: tuple[str, ...], seed: int, username: str | None, remove: bool, as_list: bool
) -> Result:
    """Let simulated people and their attackers sign in through the real endpoints; all scenarios when none is named.

    Users, sign-ins and detections are marked as simulated, and left out of figures, limits, alerts and the audit log.
    """
    if as_list:
        return [_described(name) for name in SCENARIOS]
    if remove:
        return {"removed": simulation.remove(operator())}
    names = scenarios or tuple(SCENARIOS)
    if username and len(names) != 1:
        raise IDProtectError("--user goes with one scenario")
    return [simulation.play(name, operator(), seed=seed, username=username).to_dict() for name in names]


def _described(name: str) -> dict[str, object]:
    scenario = SCENARIOS[name]
    return {"scenario": name, "about": scenario.about, "raises": sorted(scenario.promises)}
