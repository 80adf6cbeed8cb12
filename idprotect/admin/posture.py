"""What is missing in the set-up, each finding with the way to mend it."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import url_for
from sqlalchemy import exists, select

from idprotect import address_trust, clock, policies, users, webhooks, workloads
from idprotect.conditional_access import Control, Policy, PolicyState
from idprotect.models import Authenticator, Client, SignIn, User, session
from idprotect.risk import RiskLevel
from idprotect.runtime import settings
from idprotect.signal_sources import receiving, sources

#: An administrator who was not here for so long may have left.
STALE = timedelta(days=90)


@dataclass(frozen=True)
class Advice:
    """One thing to mend.

    :param mend: what to do, in words or as a command.
    :param url: where, when there is a page for it.
    :param link: what one does there.
    """

    text: str
    mend: str
    url: str | None = None
    link: str = "Look"


def _registers(policy: Policy) -> bool:
    return Control.REGISTRATION in policy.controls or (
        Control.MFA in policy.controls and not policy.is_about_user_risk
    )


#: What some policy should do: what is said when none does, the template of one, and how to tell.
DEMANDS: Sequence[tuple[str, str, Callable[[Policy], bool]]] = (
    ("No policy acts on people at risk.", "user-risk", lambda policy: policy.is_about_user_risk),
    ("No policy acts on risky sign-ins.", "sign-in-risk", lambda policy: policy.is_about_sign_in_risk),
    ("No policy asks for a second factor to be registered.", "mfa-registration", _registers),
)


def advice() -> list[Advice]:
    """Return everything that should be mended."""
    return [
        *_about_addresses(),
        *_about_policies(),
        *_about_administrators(),
        *_about_programs(),
        *_about_sources(),
    ]


def _about_addresses() -> Iterator[Advice]:
    if settings().development or address_trust.confirmation() is not None:
        return
    yield Advice(
        "Nobody confirmed that the addresses of visitors are seen rightly. Behind a proxy, signals by address are not "
        "evaluated until then.",
        "flask idprotect proxy check",
        url_for("idprotect_admin_addresses.index"),
    )


def _about_policies() -> Iterator[Advice]:
    force = policies.current()
    if force.emergency:
        yield Advice(
            "Every policy only reports: the emergency switch is on.",
            "flask idprotect policy emergency off",
            url_for("idprotect_admin_policies.emergency"),
            "End it",
        )
    for text, kind, acts in DEMANDS:
        acting = {policy.state: policy.name for policy in force.policies if acts(policy)}
        if PolicyState.ON not in acting:
            yield _missing(text, kind, acting.get(PolicyState.REPORT_ONLY))


def _missing(text: str, kind: str, on_trial: str | None) -> Advice:
    """Say that nothing acts yet, and lead to what could: a policy that only reports, or the template of one."""
    if on_trial is not None:
        url = url_for("idprotect_admin_policies.state", name=on_trial, state=PolicyState.ON)
        mend = f"flask idprotect policy set-state {shlex.quote(on_trial)} on"
        return Advice(f"{text} {on_trial} only reports.", mend, url, "Turn it on")
    url = url_for("idprotect_admin_policies.template", kind=kind)
    return Advice(text, f"flask idprotect policy template {kind}", url, "Add it")


def _about_administrators() -> Iterator[Advice]:
    administrators = users.administrators()
    if len(administrators) == 1:
        yield Advice(
            "There is one administrator. Nobody can help if that person cannot sign in.",
            "flask idprotect user roles NAME administrator",
        )
    for user in administrators:
        url = url_for("idprotect_admin_users.details", user_id=user.id)
        who = f"The administrator {user.username}"
        factor = exists().where(Authenticator.user_id == user.id, Authenticator.confirmed_at.is_not(None))
        if not session().scalar(select(factor)):
            yield Advice(f"{who} has no second factor.", "It is asked for at the door.", url)
        if _is_stale(user):
            yield Advice(
                f"{who} has not signed in for {STALE.days} days.", "Block, or take the role away.", url
            )


def _about_programs() -> Iterator[Advice]:
    for hook in webhooks.disabled():
        yield Advice(
            f"{hook.url} is told nothing any more: its answer was {hook.disabled_why}.",
            f"flask idprotect webhook enable {hook.id}",
        )
    for client in session().scalars(select(Client).where(workloads.LEVEL > RiskLevel.NONE)):
        values: dict[str, Any] = {"client_id": client.id}
        yield Advice(
            f"Somebody else may have the credentials of {client.name}.",
            f"flask idprotect client show {client.id}",
            url_for("idprotect_admin_applications.details", **values),
        )


def _about_sources() -> Iterator[Advice]:
    for source in sources.every():
        url = url_for("idprotect_admin_signal_sources.one", source_id=source.id)
        if source.held_since is not None:
            why, count = source.held_why, receiving.held_count(source)
            yield Advice(
                f"What the signal source {source.name} tells has no effect: {why}. {count} events are held.",
                f"flask idprotect signal-source resume {source.id}",
                url,
            )
        elif sources.state(source) == "failing":
            text = f"The signal source {source.name} cannot be heard: {source.failed_why}"
            yield Advice(text, f"flask idprotect signal-source show {source.id}", url)


def _is_stale(user: User) -> bool:
    limit = clock.now() - STALE
    lately = exists().where(
        SignIn.user_id == user.id, SignIn.completed_at.is_not(None), SignIn.signed_in_at > limit
    )
    return user.created_at < limit and not session().scalar(select(lately))
