"""The one claim about risk, ``risk_level``: in tokens and introspection of an application registered to hear it."""

from idprotect.models import ClientRules, SignInFacts, UserFacts
from idprotect.risk import RiskLevel

CLAIM = "risk_level"


def of(client: ClientRules, user: UserFacts, sign_in: SignInFacts | None) -> dict[str, str]:
    """Return the claim: the highest of what is open about user, sign-in and session; nothing for other clients."""
    if not client.release_risk or sign_in is None:
        return {}
    highest = max(user.risk_level, sign_in.aggregated_level, sign_in.session_level)
    return {CLAIM: RiskLevel(highest).label}
