"""What must not come of putting policies into force: nobody left who could mend it, a trusted place lost by mistake."""

from collections.abc import Callable, Iterable

from idprotect.conditional_access import AccessRequest, PolicySet, PolicyState, Step, evaluate
from idprotect.errors import Problem

#: Return an ordinary sign-in of each administrator, as things stand now, in the places that the policies name.
Administrators = Callable[[PolicySet], Iterable[AccessRequest]]

#: What has to be typed before every person may be stopped in every application.
CONFIRMATION = "block everyone"


def locks_out(before: PolicySet, after: PolicySet, administrators: Administrators) -> list[str]:
    """Return the administrators if the change stops every one of them; nobody if one is left or none was there."""
    locked_out = _all_stopped(after, administrators)
    return locked_out if locked_out and not _all_stopped(before, administrators) else []


def blocks_everyone(policies: PolicySet) -> list[str]:
    """Return the policies in force that stop every person in every application."""
    if policies.emergency:
        return []
    return [p.name for p in policies.policies if p.state is PolicyState.ON and p.blocks_everyone]


def newly_blocking_everyone(before: PolicySet, after: PolicySet) -> list[str]:
    """Return the policies that would begin to stop every person in every application: that has to be confirmed."""
    return sorted({*blocks_everyone(after)} - {*blocks_everyone(before)})


def lost_trust(before: PolicySet, after: PolicySet) -> list[str]:
    """Return the trusted locations that would be gone."""
    kept = {location.name for location in after.locations}
    return [place.name for place in before.locations if place.trusted and place.name not in kept]


def problems(
    before: PolicySet, after: PolicySet, administrators: Administrators, confirmation: str = ""
) -> list[str]:
    """Return what speaks against putting *after* in the place of *before*, whoever asks for it."""
    found: list[str] = []
    newly = newly_blocking_everyone(before, after)
    if newly and confirmation != CONFIRMATION:
        words = f"policy {newly[0]!r} stops everybody everywhere; confirm by typing {CONFIRMATION!r}"
        found.append(Problem(words, key="confirmation"))
    if names := locks_out(before, after, administrators):
        found.append(f"every administrator would be locked out: {', '.join(names)}")
    return found


def _all_stopped(policies: PolicySet, administrators: Administrators) -> list[str]:
    """Return the names of the administrators if all of them are stopped."""
    people = list(administrators(policies))
    stopped = [who.username for who in people if evaluate(policies, who).first is Step.BLOCK]
    return stopped if len(stopped) == len(people) else []
