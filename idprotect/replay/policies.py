"""What policies would do to the sign-ins of a log: outcome by outcome, and summed up."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from idprotect import user_agents
from idprotect.conditional_access import AccessRequest, PolicySet
from idprotect.insights.log import of_requests
from idprotect.insights.replay import Report, replay
from idprotect.replay.engine import Judged
from idprotect.risk import Kind, RiskLevel

#: The application, where the log names none.
APPLICATION = "any"
NO_POLICIES = PolicySet(0)


class PolicyTrial:
    """Listens to a replay, and evaluates each sign-in with a right password, and each session found at risk.

    A session without risk asks for nothing that its sign-in was not asked for.

    :param most: how many users and sign-ins to list.
    """

    def __init__(self, policies: PolicySet, most: int = 20) -> None:
        self._policies = policies
        self._report = Report(most)
        self._outcomes: Counter[str] = Counter()

    def __call__(self, judged: Judged, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what would come of one attempt; nothing for one that asks for no access."""
        if not _asks_for_access(judged):
            return {}
        request = access_request(self._policies, judged, message)
        sign_in = next(replay(self._policies, of_requests([request], NO_POLICIES)))
        self._outcomes[sign_in.after.outcome] += 1
        self._report.add(sign_in)
        return {"outcome": sign_in.after.outcome, "policies": list(sign_in.policies)}

    def to_dict(self) -> dict[str, Any]:
        """Return outcomes, prompts per user and week, and who would be stopped."""
        return {"outcomes": dict(self._outcomes.most_common())} | self._report.to_dict()


def access_request(policies: PolicySet, judged: Judged, message: Mapping[str, Any]) -> AccessRequest:
    """Return the facts of an attempt. What the log does not say is as with a user who has a second factor."""
    attempt, network = judged.attempt, judged.attempt.network
    is_session = attempt.kind is Kind.SESSION
    at = datetime.fromtimestamp(attempt.at, UTC)
    return AccessRequest(
        at=at,
        user_id=attempt.user or "",
        username=message.get("login") or attempt.user or "",
        client_id=message.get("client") or APPLICATION,
        groups=frozenset(message.get("groups") or ()),
        roles=frozenset(message.get("roles") or ()),
        sign_in_risk=RiskLevel.NONE if is_session else judged.assessment.level,
        signed_in_at=at,
        session_risk=judged.assessment.level if is_session else RiskLevel.NONE,
        session_risk_at=at,
        authenticated_at=at,
        # What is wanted after the notice tells more than that there is one.
        noticed_at=at,
        user_risk=judged.user_level_before,
        user_risk_at=at if judged.user_level_before else None,
        locations=policies.locations_of(network.address if network else None, attempt.country),
        country=attempt.country,
        platform=user_agents.platform(attempt.browser),
        known_device=judged.signals.known_device,
        registered=message.get("registered") is not False,
        strengths=frozenset(map(str, policies.strengths)),
    )


def _asks_for_access(judged: Judged) -> bool:
    attempt = judged.attempt
    if attempt.user is None or attempt.password_ok is False:
        return False
    return attempt.kind is Kind.PASSWORD or bool(judged.assessment.level)
