"""The one evaluator: policies and facts in, a decision with its reasons out. Live, test and receipt call it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from idprotect.conditional_access.decision import Decision, Outcome, PolicyResult, Reason, Step
from idprotect.conditional_access.facts import UNKNOWN, AccessRequest
from idprotect.conditional_access.policy import (
    CONSOLE,
    DEMANDED,
    OURS,
    PAGE_MFA,
    PAGE_RISK,
    SESSION,
    Control,
    Policy,
    PolicySet,
    PolicyState,
    Unregistered,
)

Condition = Callable[[Policy, AccessRequest], bool]


def names_of(request: AccessRequest) -> frozenset[str]:
    """Return what a policy can call the user: by name, groups and roles."""
    groups = {f"group:{group}" for group in request.groups}
    return frozenset({f"user:{request.username}", *groups, *(f"role:{role}" for role in request.roles)})


def names_of_client(client_id: str) -> frozenset[str]:
    """Return what a policy can call a client: by its id; and all together whose id is the URL of their document."""
    is_url = client_id.startswith(("https://", "http://"))
    return frozenset({client_id, BY_DOCUMENT} if is_url else {client_id})


#: All clients that are known by a metadata document.
BY_DOCUMENT = "idprotect-documents"
#: Not a condition of a policy, but above all of them.
BREAK_GLASS = "break_glass"

#: Every condition by name; a policy applies when all hold. An empty condition means *any*.
CONDITIONS: Mapping[str, Condition] = {
    "who": lambda policy, request: policy.who.selects(names_of(request)),
    "clients": lambda policy, request: policy.clients.selects(names_of_client(request.client_id)),
    "user_risk": lambda policy, request: not policy.user_risk or request.user_risk in policy.user_risk,
    "sign_in_risk": lambda policy, request: (
        not policy.sign_in_risk
        or request.sign_in_risk in policy.sign_in_risk
        or _lists_session_risk(policy, request)
    ),
    "locations": lambda policy, request: policy.locations.selects(request.locations),
    "countries": lambda policy, request: policy.countries.selects(frozenset({request.country or UNKNOWN})),
    "platforms": lambda policy, request: (
        not policy.platforms or (request.platform or UNKNOWN) in policy.platforms
    ),
    "scopes": lambda policy, request: not policy.scopes or bool(policy.scopes & request.scopes),
    "known_device": lambda policy, request: policy.known_device in (None, request.known_device),
    "registering": lambda policy, request: request.registering or not policy.registering,
    "expression": lambda policy, request: policy.expression is None or policy.expression.holds(request),
}


#: What asks for nothing because of risk, so nobody has to be told of that. Terms of use are no answer to it.
_AGAINST_NO_RISK = frozenset({Outcome.ALLOWED, Outcome.MFA_SATISFIED, Outcome.TERMS_REQUIRED})


def evaluate(policies: PolicySet, request: AccessRequest) -> Decision:
    """Judge one access request.

    All policies that apply must be satisfied; a block outweighs everything; what is missing is asked for in the
    order of :class:`Step`. Nobody is sent to register where registering is stopped.
    """
    decision = _evaluate(policies, request)
    if Step.MFA_REGISTRATION not in decision.steps or request.registering:
        return decision
    there = _evaluate(policies, replace(request, registering=True))
    return there if there.first in (Step.BLOCK, Step.SIGN_IN) else replace(decision, results=there.results)


def _evaluate(policies: PolicySet, request: AccessRequest) -> Decision:
    applying: list[Policy] = []
    unmet_of: dict[str, tuple[str, ...]] = {}
    is_exempt = request.username in policies.break_glass
    looked_at = _looked_at(policies, request)
    for policy in looked_at:
        unmet = tuple(name for name, holds in CONDITIONS.items() if not holds(policy, request))
        if is_exempt and policy not in OURS:
            unmet = (BREAK_GLASS,)
        unmet_of[policy.name] = unmet
        if not unmet:
            applying.append(policy)
    on = [policy for policy in applying if policy.state is PolicyState.ON]
    enforced = [policy for policy in on if policy in DEMANDED or not policies.emergency]
    results = tuple(
        _result(policy, unmet_of[policy.name], request, on, policies.emergency) for policy in looked_at
    )
    return _combine(request, enforced, results)


def _looked_at(policies: PolicySet, request: AccessRequest) -> list[Policy]:
    found = [policy for policy in policies.policies if policy.state is not PolicyState.OFF]
    found += [CONSOLE] if request.console else []
    found += [PAGE_MFA] if request.mfa_demanded else []
    found += PAGE_RISK.get(request.risk_limit, ())
    return [*found, SESSION] if _is_about_session(SESSION, request) else found


def _result(
    policy: Policy, unmet: tuple[str, ...], request: AccessRequest, on: list[Policy], emergency: bool
) -> PolicyResult:
    state = PolicyState.REPORT_ONLY if emergency and policy not in DEMANDED else policy.state
    if unmet:
        failing = policy.expression.failing(request) if policy.expression and "expression" in unmet else ()
        return PolicyResult(policy.name, state, Outcome.NOT_APPLIED, unmet, failing=tuple(failing))
    outcome, reason = _outcome(policy, request, on if policy in on else [*on, policy])
    return PolicyResult(policy.name, state, outcome, (), reason)


def _outcome(policy: Policy, request: AccessRequest, company: list[Policy]) -> tuple[Outcome, Reason | None]:
    """Return what one applying policy says, in the company of the others that are on."""
    if policy is SESSION:
        return _session_outcome(request, company)
    if Control.BLOCK in policy.controls and not _is_opened_by_pass(policy, request):
        return Outcome.BLOCKED, Reason.POLICY
    if not _sign_in_is_recent(policy, request):
        return Outcome.SIGN_IN_REQUIRED, Reason.POLICY
    if Control.REGISTRATION in policy.controls:
        return _registration_outcome(policy, request, company)
    if not policy.controls & {Control.MFA, Control.BLOCK}:
        return _when_proved(policy, request, Outcome.ALLOWED)
    if not _mfa_is_fresh(policy, request):
        if request.registered:
            return _mfa_outcome(policy, request)
        return _unregistered_outcome(policy, request, company)
    if policy.strength is not None and not policy.strength.proofs & request.amr:
        return _mfa_outcome(policy, request)
    if _wants_password_change(policy, request):
        return Outcome.PASSWORD_CHANGE_REQUIRED, Reason.POLICY
    if _wants_recovery(policy, request):
        return Outcome.RECOVERY_REQUIRED, Reason.POLICY
    return _when_proved(policy, request, Outcome.MFA_SATISFIED)


def _when_proved(policy: Policy, request: AccessRequest, satisfied: Outcome) -> tuple[Outcome, Reason | None]:
    """Ask for terms of use once nothing else is left to ask for: they are no proof of anything."""
    if _terms_wanted(policy, request):
        return Outcome.TERMS_REQUIRED, Reason.POLICY
    return satisfied, None


def _terms_wanted(policy: Policy, request: AccessRequest) -> frozenset[str]:
    return frozenset(name for name in policy.terms_of_use if not request.has_accepted(name))


def _is_opened_by_pass(policy: Policy, request: AccessRequest) -> bool:
    """Whether a second factor will do instead of a block, because the help desk checked who this is.

    Its word stands in for a familiar place: it opens what the risk of this sign-in closed, and nothing else. What an
    expression closed it does not open: that may as well be for another reason that the expression names.
    """
    is_about_sign_in = bool(policy.sign_in_risk) and not _is_about_user_risk(policy, request)
    return request.is_vouched_for and is_about_sign_in and not request.is_compromised


def _sign_in_is_recent(policy: Policy, request: AccessRequest) -> bool:
    if policy.sign_in_frequency is None or request.authenticated_at is None:
        return True
    return request.at - request.authenticated_at <= policy.sign_in_frequency


def _is_about_user_risk(policy: Policy, request: AccessRequest) -> bool:
    """Whether a policy asks because of the user's risk, or may do: an expression names it, and there is some."""
    return bool(policy.user_risk) or (bool(request.user_risk) and policy.is_about_user_risk)


def _is_about_sign_in_risk(policy: Policy, request: AccessRequest) -> bool:
    """Whether a policy asks because of the sign-in's risk, or may do: an expression names it, and there is some."""
    is_risky = bool(request.sign_in_risk or request.session_risk)
    return bool(policy.sign_in_risk) or (is_risky and policy.is_about_sign_in_risk)


def _is_about_session(policy: Policy, request: AccessRequest) -> bool:
    """Whether a policy about sign-in risk is about how the session is used since."""
    if _lists_session_risk(policy, request):
        return True
    return bool(request.session_risk) and policy.expression_names("sign_in_risk", "session_risk")


def _lists_session_risk(policy: Policy, request: AccessRequest) -> bool:
    return bool(request.session_risk) and request.session_risk in policy.sign_in_risk


def _session_outcome(request: AccessRequest, company: list[Policy]) -> tuple[Outcome, Reason | None]:
    """Leave the session to a policy that asks for a second factor which the person has; else let it sign in again.

    A block would stop nobody for longer: whoever has the password can leave the cookie behind. The new sign-in is
    judged by itself, and blocked if it has to be.
    """
    if request.registered and _is_since(request.mfa_at, request.session_risk_at):
        return Outcome.MFA_SATISFIED, None
    asking = [
        p
        for p in company
        if p is not SESSION and _is_about_session(p, request) and not p.is_about_terms_alone
    ]
    said = [_outcome(policy, request, company)[0] for policy in asking]
    if said and all(outcome is Outcome.MFA_REQUIRED for outcome in said):
        return Outcome.ALLOWED, None
    return Outcome.SIGN_IN_REQUIRED, Reason.SESSION_RISK


def _mfa_outcome(policy: Policy, request: AccessRequest) -> tuple[Outcome, Reason]:
    """Ask for a second factor, unless none that the user has could be good enough."""
    if policy.strength is None:
        return Outcome.MFA_REQUIRED, Reason.POLICY
    if policy.strength not in request.strengths:
        return Outcome.BLOCKED, Reason.STRENGTH_UNAVAILABLE
    return Outcome.MFA_REQUIRED, Reason.STRENGTH


def _mfa_is_fresh(policy: Policy, request: AccessRequest) -> bool:
    """Whether a factor was proved that is newer than the risk the policy asks about."""
    if request.mfa_at is None or not request.registered:
        return False
    if _is_about_session(policy, request) and not _is_since(request.mfa_at, request.session_risk_at):
        return False
    if not request.user_risk or not policy.is_about_user_risk:
        return True
    return _is_since(request.mfa_at, request.user_risk_at)


def _is_since(proved_at: datetime | None, risk_at: datetime | None) -> bool:
    return proved_at is not None and risk_at is not None and proved_at >= risk_at


def _wants_password_change(policy: Policy, request: AccessRequest) -> bool:
    cured_by_password = Control.RISK_REMEDIATION in policy.controls and not request.recovers_without_password
    return (cured_by_password or Control.PASSWORD_CHANGE in policy.controls) and not _recovered(request)


def _wants_recovery(policy: Policy, request: AccessRequest) -> bool:
    """Whether everything has to end and the person to sign in again; the second factor there closes the risk."""
    return Control.RISK_REMEDIATION in policy.controls and request.recovers_without_password


def _recovered(request: AccessRequest) -> bool:
    # Some detections outlive a password change; without this their user would have to change it for ever.
    return _is_since(request.recovered_at, request.user_risk_at)


def _unregistered_outcome(
    policy: Policy, request: AccessRequest, company: list[Policy]
) -> tuple[Outcome, Reason]:
    if _is_about_user_risk(policy, request):
        return Outcome.BLOCKED, Reason.MFA_UNAVAILABLE
    if _may_register(request, company):
        return Outcome.REGISTRATION_REQUIRED, Reason.POLICY
    return Outcome.BLOCKED, Reason.MFA_UNAVAILABLE


def _registration_outcome(
    policy: Policy, request: AccessRequest, company: list[Policy]
) -> tuple[Outcome, Reason | None]:
    if request.registered:
        return Outcome.ALLOWED, None
    if not _may_register(request, company):
        return Outcome.BLOCKED, Reason.REGISTRATION_REFUSED
    if request.registration_skipped and skip_days_left(policy, request):
        return Outcome.ALLOWED, None
    return Outcome.REGISTRATION_REQUIRED, Reason.POLICY


def _may_register(request: AccessRequest, company: list[Policy]) -> bool:
    """Whether whoever sits there with the password alone may add a second factor: it could be the attacker."""
    if request.is_compromised:
        return False
    if not request.is_risky or request.is_vouched_for:
        return True
    asking = [policy for policy in company if policy.is_about_sign_in_risk and Control.MFA in policy.controls]
    return bool(asking) and all(policy.unregistered is Unregistered.REGISTER for policy in asking)


def skip_days_left(policy: Policy, request: AccessRequest) -> int:
    """Return for how many more days registration can be put off; 0 = not any more.

    Counted from the first prompt, never restarted; not at risk; not for administrators.
    """
    if request.is_risky or request.is_compromised or request.is_administrator:
        return 0
    # A clock that was put back must not give more days than the policy does.
    first_prompt = min(request.registration_prompted_at or request.at, request.at)
    left = first_prompt + timedelta(days=policy.skip_days) - request.at
    return max(0, -(-left // timedelta(days=1)))


def _combine(request: AccessRequest, enforced: list[Policy], results: tuple[PolicyResult, ...]) -> Decision:
    counted = {result.policy: result for result in results if result.enforced}
    if (decision := _stopped(request, enforced, counted, results)) is not None:
        return decision
    outcomes = {result.outcome for result in counted.values()}
    steps = _steps(request, enforced, counted, outcomes)
    return Decision(
        steps,
        results,
        _reason(request, outcomes, steps),
        _is_about_user(request, enforced, counted),
        mfa_for_sign_in_risk=_asks_for_sign_in_risk(request, enforced),
        skip_days_left=_skip_days_left(request, enforced, counted),
        terms_of_use=tuple(sorted(_all_terms_wanted(request, enforced))),
    )


def _stopped(
    request: AccessRequest,
    enforced: list[Policy],
    counted: Mapping[str, PolicyResult],
    results: tuple[PolicyResult, ...],
) -> Decision | None:
    """Return the decision of somebody whom no page would help, or who has to begin anew."""
    if not request.enabled:
        return Decision((Step.BLOCK,), results, Reason.ACCOUNT_DISABLED, about_user=True)
    if any(result.reason is Reason.SESSION_RISK for result in counted.values()):
        # Before a block, which says something about the account to whoever has no more than a cookie.
        return Decision((Step.SIGN_IN,), results, Reason.SESSION_RISK)
    reasons = [result.reason for result in counted.values() if result.outcome is Outcome.BLOCKED]
    if reasons:
        reason = Reason.POLICY if Reason.POLICY in reasons else reasons[0]
        about_user = _block_is_about_user(request, enforced, counted)
        return Decision((Step.BLOCK,), results, reason, about_user)
    if any(result.outcome is Outcome.SIGN_IN_REQUIRED for result in counted.values()):
        # Everything else is asked of the new sign-in, which has proved nothing yet.
        return Decision((Step.SIGN_IN,), results, Reason.POLICY)
    return None


def _steps(
    request: AccessRequest,
    enforced: list[Policy],
    counted: Mapping[str, PolicyResult],
    outcomes: set[Outcome],
) -> tuple[Step, ...]:
    """Return what is missing, in the order in which it is asked for."""
    wants_factor = (request.temporary_password or request.step_up) and request.registered
    asked = {
        Step.NOTICE: _notice_is_due(request, enforced, counted),
        Step.MFA_REGISTRATION: Outcome.REGISTRATION_REQUIRED in outcomes,
        Step.MFA: Outcome.MFA_REQUIRED in outcomes or (wants_factor and request.mfa_at is None),
        Step.PASSWORD_CHANGE: request.temporary_password
        or any(_wants_password_change(policy, request) for policy in enforced),
        Step.RECOVERY: any(_wants_recovery(policy, request) for policy in enforced),
        Step.REVIEW: request.stopped_sign_in,
        Step.TERMS_OF_USE: bool(_all_terms_wanted(request, enforced)),
        Step.CONSENT: not request.consented,
    }
    return tuple(step for step, is_asked in asked.items() if is_asked)


def _all_terms_wanted(request: AccessRequest, enforced: list[Policy]) -> frozenset[str]:
    return frozenset().union(*(_terms_wanted(policy, request) for policy in enforced))


def _is_about_user(
    request: AccessRequest, enforced: list[Policy], counted: Mapping[str, PolicyResult]
) -> bool:
    """Whether the user's risk asks for something."""
    return bool(request.user_risk) and any(
        policy.is_about_user_risk and counted[policy.name].outcome not in _AGAINST_NO_RISK
        for policy in enforced
    )


def _block_is_about_user(
    request: AccessRequest, enforced: list[Policy], counted: Mapping[str, PolicyResult]
) -> bool:
    """Whether a familiar place would not help: the user's risk blocks, or forbids a compromised user to register."""
    blocking = [policy for policy in enforced if counted[policy.name].outcome is Outcome.BLOCKED]
    return any(
        _is_about_user_risk(policy, request)
        or (request.is_compromised and counted[policy.name].reason is not Reason.POLICY)
        for policy in blocking
    )


def _asks_for_sign_in_risk(request: AccessRequest, enforced: list[Policy]) -> bool:
    # A block is among them when a pass made it a demand for a second factor.
    asking = {Control.MFA, Control.BLOCK}
    return any(_is_about_sign_in_risk(policy, request) and asking & policy.controls for policy in enforced)


def _notice_is_due(
    request: AccessRequest, enforced: list[Policy], counted: Mapping[str, PolicyResult]
) -> bool:
    """Whether risk asks for something, and the person was not told since it arose."""
    since = []
    for policy in enforced:
        if counted[policy.name].outcome in _AGAINST_NO_RISK:
            continue
        if policy.is_about_user_risk and request.user_risk and request.user_risk_at:
            since.append(request.user_risk_at)
        elif _is_about_session(policy, request) and request.session_risk_at:
            since.append(request.session_risk_at)
        elif policy.is_about_sign_in_risk and request.sign_in_risk and request.signed_in_at:
            since.append(request.signed_in_at)
    return bool(since) and (request.noticed_at is None or request.noticed_at < max(since))


def _reason(request: AccessRequest, outcomes: set[Outcome], steps: tuple[Step, ...]) -> Reason | None:
    if not steps:
        return None
    if outcomes - {Outcome.ALLOWED, Outcome.MFA_SATISFIED, Outcome.NOT_APPLIED}:
        return Reason.POLICY
    if request.temporary_password:
        return Reason.TEMPORARY_PASSWORD
    if Step.MFA in steps:
        return Reason.STEP_UP
    return Reason.STOPPED_SIGN_IN if Step.REVIEW in steps else Reason.CONSENT_MISSING


def _skip_days_left(
    request: AccessRequest, enforced: list[Policy], counted: Mapping[str, PolicyResult]
) -> int | None:
    """Return the days for which registration can be put off, None when MFA is needed now."""
    asking = [p for p in enforced if counted[p.name].outcome is Outcome.REGISTRATION_REQUIRED]
    if not asking or any(Control.REGISTRATION not in policy.controls for policy in asking):
        return None
    if any(result.outcome is Outcome.MFA_REQUIRED for result in counted.values()):
        return None
    return min(skip_days_left(policy, request) for policy in asking) or None
