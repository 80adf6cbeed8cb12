"""Believable people and their attackers, who sign in through the real endpoints: detections without Tor or waiting.

What is simulated is judged by the code that judges everybody, and decided by the policies in force. It is marked,
left out of everything that is counted, and taken away by :func:`remove`. No simulated person can sign in otherwise.
"""

from flask import current_app

from idprotect import audit, usernames
from idprotect.audit import Event
from idprotect.errors import InteractionError, NotFound
from idprotect.models import session
from idprotect.runtime import runtime
from idprotect.simulation import application, cast, outcome, removal
from idprotect.simulation.outcome import Outcome
from idprotect.simulation.scenarios import SCENARIOS, Scenario
from idprotect.simulation.stage import Stage

__all__ = ["SCENARIOS", "Outcome", "Scenario", "play", "remove"]


def play(name: str, by: str, *, seed: int = 1, username: str | None = None) -> Outcome:
    """Play one scenario; whoever was made for it before, under the same name, is taken away first. Commits.

    :param username: of the owner; otherwise after scenario and seed.
    :raises NotFound: there is no such scenario.
    :raises InteractionError: where people cannot be made, or the name is a real person's.
    """
    if name not in SCENARIOS:
        raise NotFound(f"there is no scenario {name!r}; there are {', '.join(SCENARIOS)}")
    scenario, username = SCENARIOS[name], username or f"sim-{name}-{seed}"
    _check(username)
    removal.remove_cast(username)
    application.register(by)
    audit.record(Event.SIMULATION_RAN, actor=by, scenario=name, seed=seed, username=username)
    session().commit()
    stage = Stage.build(current_app._get_current_object(), f"{name} {seed}")  # type: ignore[attr-defined]
    people = cast.hire(stage, username)
    ended_at = scenario.play(stage, people)
    # What this session had read is older than what was just played.
    session().expire_all()
    return outcome.read(scenario, stage, people.owner, ended_at)


def remove(by: str) -> dict[str, int]:
    """Delete everything simulated; return how much. The caller commits."""
    removed = removal.remove_all()
    audit.record(Event.SIMULATION_REMOVED, actor=by, removed=removed)
    return removed


def _check(username: str) -> None:
    if not runtime().directory.sets_passwords:
        raise InteractionError("The host application keeps the users, so none can be made for a simulation.")
    try:
        usernames.canonical(username)
    except usernames.InvalidUsername as error:
        raise InteractionError(str(error)) from None
    user = runtime().directory.find(username)
    if user is not None and not user.simulated:
        raise InteractionError(f"{username} is a real person; a simulation plays with people of its own.")
