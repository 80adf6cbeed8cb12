"""A second factor was asked for because a sign-in was risky, and was not given: the password is in strange hands."""

from idprotect.risk.assessment import Finding
from idprotect.risk.levels import About, RiskLevel, Timing


def failed_challenge(tries: int) -> Finding:
    """Return the finding for a risky sign-in whose second factor failed for good.

    :param tries: wrong answers.
    """
    text = f"the second factor that this risky sign-in was asked for failed {tries} times"
    # Made after the sign-in was judged, so it adds to what is believed of it now.
    return Finding(
        "failed_challenge", RiskLevel.MEDIUM, About.SIGN_IN, (text,), {"tries": tries}, Timing.OFFLINE
    )
