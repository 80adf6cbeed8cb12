"""The one place that decides whether a code, token or page may go out.

Every endpoint that gives something away calls :func:`ask` at that moment. It gathers the stored facts, evaluates the
policies, and stores a receipt. Whatever goes wrong here means *not allowed*.
"""

import logging
import secrets
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select

from idprotect import acceptances, audit, clock, passes, people, policies, protection
from idprotect.audit import Event
from idprotect.conditional_access import AccessRequest, Decision, PolicySet, Step, evaluate
from idprotect.errors import EvaluationError
from idprotect.models import Receipt, SignInFacts, UserFacts, add, session
from idprotect.risk import RiskLevel
from idprotect.runtime import runtime
from idprotect.session_cookie import Standing

log = logging.getLogger("idprotect.gate")

#: The scope of a page of ours that needs a second factor of whoever has one.
STEP_UP = "idprotect:step-up"
#: The scope of adding a second factor.
REGISTER = "idprotect:register"
#: The scope of the administrator's console, which needs a second factor of everybody.
CONSOLE = "idprotect:console"
#: The scope of a page of a host application that takes nobody without a second factor.
MFA = "idprotect:mfa"
#: The scope of one that takes nobody at a level of risk or above.
RISK_BELOW = {level: f"idprotect:risk-below-{level.label}" for level in RiskLevel if level}
REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


class Endpoint(StrEnum):
    """Where the question is asked."""

    AUTHORIZE = "authorize"
    CODE = "code"
    REFRESH = "refresh"
    DEVICE = "device"
    EXCHANGE = "exchange"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Access:
    """A signed-in user who asks for one client and scope.

    :param consented: consent is given, or not needed.
    """

    current: Standing
    client_id: str
    scopes: frozenset[str] = frozenset()
    consented: bool = True

    @property
    def sign_in(self) -> SignInFacts:
        """The sign-in."""
        return self.current.sign_in

    @property
    def user(self) -> UserFacts:
        """Its user."""
        return self.current.user


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision, the facts it was made from, and the number by which an administrator finds both."""

    decision: Decision
    facts: AccessRequest
    reference: str

    @property
    def allowed(self) -> bool:
        """Whether it may go out."""
        return self.decision.allowed


def ask(access: Access, endpoint: Endpoint) -> Verdict:
    """Decide afresh, from what is stored now.

    :raises EvaluationError: when that was not possible; then nothing may be issued.
    """
    try:
        policy_set, facts = _gather(access)
        if passes.is_open(access.sign_in) and _opens(policy_set, facts) and passes.use(access.sign_in):
            facts = replace(facts, vouched_for=True)
        decision = evaluate(policy_set, facts)
        reference = _receipt(access, endpoint, policy_set, facts, decision)
    except Exception as error:
        # Fail closed: an answer that could not be worked out is not an allow.
        log.exception("access could not be evaluated")
        session().rollback()
        audit.record(
            Event.RISK_EVALUATION_FAILED,
            actor="system",
            client_id=access.client_id,
            error=type(error).__name__,
        )
        session().commit()
        raise EvaluationError("access could not be evaluated") from error
    return Verdict(decision, facts, reference)


def would_pass_open(sign_in: SignInFacts, user: UserFacts) -> bool:
    """Whether a pass of the help desk would help this sign-in, by what was known when it was stopped."""
    newest = select(Receipt).where(Receipt.sign_in_id == sign_in.id).order_by(Receipt.id.desc()).limit(1)
    receipt = session().scalar(newest)
    if receipt is None:
        return False
    return _opens(policies.current(), replace(AccessRequest.from_dict(receipt.facts), enabled=user.enabled))


def _opens(policy_set: PolicySet, facts: AccessRequest) -> bool:
    """Whether a pass makes the difference between a block and something else."""
    is_blocked = evaluate(policy_set, facts).first is Step.BLOCK
    return is_blocked and evaluate(policy_set, replace(facts, vouched_for=True)).first is not Step.BLOCK


def still_allows(access: Access) -> bool:
    """Whether a token that is out may still be used: judged anew, without a receipt."""
    policy_set, facts = _gather(access)
    # What was given out is not taken back because time went by; it has an end of its own.
    return evaluate(policy_set, facts.whatever_the_time()).allowed


def recompute(receipt: Receipt) -> Decision:
    """Make a decision again from its receipt."""
    return evaluate(policies.load(receipt.policy_version), AccessRequest.from_dict(receipt.facts))


def new_reference() -> str:
    """Return a reference number like ``K7QX2-M9XDT``, easy to read out."""
    letters = [secrets.choice(REFERENCE_ALPHABET) for _ in range(10)]
    return "".join(letters[:5]) + "-" + "".join(letters[5:])


def find_receipts(reference: str) -> list[Receipt]:
    """Return the receipts with a reference number, however it was typed."""
    return list(session().scalars(select(Receipt).where(Receipt.reference == written(reference))).all())


def written(reference: str) -> str:
    """Return a reference number as it is stored, however it was typed."""
    letters = "".join(c for c in reference.upper() if c.isalnum())
    return f"{letters[:5]}-{letters[5:]}"


def _gather(access: Access) -> tuple[PolicySet, AccessRequest]:
    """Return the policies in force and the facts that they are about."""
    sign_in, user = access.sign_in, runtime().directory.refreshed(access.user)
    policy_set = policies.load(access.current.policy_version)
    level, risk_at = _user_risk(user, sign_in)
    facts = AccessRequest(
        at=clock.now(),
        user_id=user.id,
        username=user.username,
        client_id=access.client_id,
        scopes=access.scopes,
        groups=frozenset(user.groups),
        roles=frozenset(user.roles),
        enabled=user.enabled,
        sign_in_risk=sign_in.risk,
        signed_in_at=sign_in.signed_in_at,
        session_risk=sign_in.session_risk,
        session_risk_at=sign_in.session_level_at,
        user_risk=level,
        user_risk_at=risk_at,
        # An address that is not judged by lies in no location.
        locations=policy_set.locations_of(sign_in.ip_address if sign_in.site else None, sign_in.country),
        country=sign_in.country,
        platform=sign_in.platform,
        known_device=sign_in.known_device,
        registered=access.current.registered,
        strengths=people.strengths(user, policy_set),
        recovers_without_password=people.recovers_without_password(user, policy_set),
        authenticated_at=sign_in.authenticated_at,
        amr=frozenset(sign_in.amr),
        mfa_at=sign_in.mfa_at,
        recovered_at=user.recovered_at,
        noticed_at=sign_in.noticed_at,
        registration_prompted_at=user.registration_prompted_at,
        registration_skipped=sign_in.registration_skipped_at is not None,
        temporary_password=user.must_change_password,
        vouched_for=sign_in.vouched_at is not None,
        stopped_sign_in=_asks_about_stopped(user, sign_in),
        step_up=STEP_UP in access.scopes,
        registering=REGISTER in access.scopes,
        console=CONSOLE in access.scopes,
        mfa_demanded=MFA in access.scopes,
        risk_limit=_risk_limit(access.scopes),
        accepted_terms=acceptances.accepted(user.id, policy_set.terms_of_use),
        consented=access.consented,
    )
    return policy_set, facts


def _risk_limit(scopes: frozenset[str]) -> RiskLevel:
    """Return the lowest level that what is asked for does not take any more."""
    return min((level for level, scope in RISK_BELOW.items() if scope in scopes), default=RiskLevel.NONE)


def _asks_about_stopped(user: UserFacts, sign_in: SignInFacts) -> bool:
    """Whether to ask about a stopped sign-in: once, in a sign-in that is without risk and not the password alone."""
    if not user.risk_level or sign_in.completed_at is not None or sign_in.reviewed_at is not None:
        return False
    is_trustworthy = not sign_in.risk_level and (sign_in.known_device or sign_in.mfa_at is not None)
    return is_trustworthy and protection.stopped_sign_in(user.id, but=sign_in.id) is not None


def _user_risk(user: UserFacts, sign_in: SignInFacts) -> tuple[RiskLevel, datetime | None]:
    if not user.risk_level:
        return RiskLevel.NONE, None
    but = sign_in.id if sign_in.completed_at is None else None
    return protection.open_risk(user.id, but_sign_in=but)


def _receipt(
    access: Access, endpoint: Endpoint, policy_set: PolicySet, facts: AccessRequest, decision: Decision
) -> str:
    reference = new_reference()
    add(
        Receipt,
        {
            "reference": reference,
            "at": facts.at,
            "endpoint": str(endpoint),
            "sign_in_id": access.sign_in.id,
            "user_id": access.user.id,
            "client_id": access.client_id,
            "policy_version": policy_set.version,
            "outcome": decision.outcome,
            "reason": str(decision.reason) if decision.reason else None,
            "facts": facts.to_dict(),
            "results": [result.to_dict() for result in decision.results],
        },
    )
    return reference
