"""Evidence: what speaks for or against an attempt, each a number between 0 and about 3, by name.

What is absent says nothing. How much one unit weighs, and which way, stands in :mod:`idprotect.risk.model`.
"""

from collections.abc import Mapping

from idprotect.risk.attempt import Attempt, Kind
from idprotect.risk.evidence.password import password
from idprotect.risk.evidence.session import session
from idprotect.risk.population import Counts
from idprotect.risk.profile import Profile

Evidence = Mapping[str, float]


def evidence(attempt: Attempt, profile: Profile, counts: Counts) -> Evidence:
    """Return what speaks for or against an attempt."""
    found = (session if attempt.kind is Kind.SESSION else password)(attempt, profile, counts)
    return {name: float(value) for name, value in found.items() if value}
