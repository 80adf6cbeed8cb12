"""One act: what it says of itself, whom it is about, and how it is carried out and written down."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from idprotect import audit, notifications, passes, protection, roles
from idprotect.audit import Event
from idprotect.errors import InteractionError
from idprotect.models import RiskDetection, SignIn, User, session
from idprotect.protection import IS_OPEN
from idprotect.risk import RiskLevel
from idprotect.roles import Role
from idprotect.runtime import runtime


@dataclass(frozen=True)
class Target:
    """Whom or what an act is about. The user of a sign-in or detection may be gone."""

    key: str
    user_id: str | None
    user: User | None = None
    sign_in: SignIn | None = None
    detection: RiskDetection | None = None

    @property
    def name(self) -> str:
        """What to call it on a page."""
        who = self.user.username if self.user is not None else "a deleted user"
        if self.detection is not None:
            return f"{self.detection.name.replace('_', ' ')} of {who}"
        if self.sign_in is not None:
            return f"sign-in of {who}, {self.sign_in.signed_in_at:%d %b %Y, %H:%M} UTC"
        return who

    @property
    def known_user(self) -> User:
        """The user; only for acts that need one."""
        if self.user is None:
            raise InteractionError("The user was deleted. Close what was found one by one.")
        return self.user


@dataclass(frozen=True)
class Actor:
    """Who acts.

    :param name: for the audit log.
    :param roles: by which it acts, see :mod:`idprotect.roles`.
    :param user: who sits at the console; None for an application or a command.
    """

    name: str
    roles: Collection[str]
    user: User | None = None

    @classmethod
    def of(cls, user: User) -> "Actor":
        """Return somebody at the console."""
        return cls(user.username, user.roles, user)


@dataclass(frozen=True)
class Option:
    """Something that can be ticked in the dialogue of an act.

    :param required: a point of a checklist: nothing is done before each of them is ticked.
    """

    name: str
    label: str
    default: bool = False
    required: bool = False


Verb = Callable[[Target, str, str, Collection[str]], str | None]


@dataclass(frozen=True)
class Act:
    """One act.

    :param about: ``user``, ``sign_in`` or ``detection``.
    :param verb: carries it out: target, actor, reason, ticked options → a secret that is shown once, or None.
    :param gives_access: lets somebody in, or clears what would stop them: whoever does it proves a factor just before.
        What takes access away has to be quick.
    :param already: what there is to say when the target stands as the act would leave it, None when it does not: to
        people this is a reason not to, to a program that asks again it is done.
    :param why_not: why it cannot be done to a target now, None when it can.
    """

    name: str
    about: str
    label: str
    title: str
    does: tuple[str, ...]
    does_not: tuple[str, ...]
    verb: Verb
    gives_access: bool = True
    options: tuple[Option, ...] = ()
    already: Callable[[Target], str | None] = lambda _target: None
    why_not: Callable[[Target], str | None] = lambda _target: None


@dataclass(frozen=True)
class Done:
    """What came of an act on one target.

    :param refused: why nothing was done, None when it was.
    :param secret: shown once.
    :param before: what an act can change, as it was.
    """

    target: Target
    refused: str | None = None
    secret: str | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


def find(act: Act, key: str) -> Target | None:
    """Return the target of an act by its id."""
    if act.about == "user":
        user = _user(key)
        return Target(key, user.id, user) if user is not None else None
    if act.about == "sign_in":
        sign_in = session().get(SignIn, key)
        return Target(key, sign_in.user_id, _user(sign_in.user_id), sign_in) if sign_in is not None else None
    found = session().get(RiskDetection, key)
    return Target(key, found.user_id, _user(found.user_id), detection=found) if found is not None else None


def why_forbidden(target: Target, actor: Actor) -> str | None:
    """Return why this actor may do nothing to this target, None when they may.

    Nobody approves their own risk; and whoever could reset or unblock an administrator would be one.
    """
    if actor.user is not None and target.user_id == actor.user.id:
        return "Somebody else has to do this: nobody decides about themselves."
    is_administrator = Role.ADMINISTRATOR in roles.of(actor.roles)
    if target.user is not None and roles.of(target.user.roles) and not is_administrator:
        return "Only an administrator does this to somebody who has a role in this console."
    return None


def why_refused(act: Act, target: Target, actor: Actor) -> str | None:
    """Return why this actor cannot do this to this target now, None when they can."""
    return why_forbidden(target, actor) or act.already(target) or act.why_not(target)


def perform(act: Act, target: Target, actor: Actor, reason: str, ticked: Collection[str]) -> Done:
    """Do it, or say why not; either is written down with the state before and after. Commits."""
    before = _state(target)
    refused = why_refused(act, target, actor) or left_open(act, ticked)
    secret = None
    if refused is None:
        try:
            secret = act.verb(target, actor.name, reason, ticked)
            session().flush()
        except InteractionError as error:
            session().rollback()
            notifications.discard()
            refused = error.message
    done = Done(target, refused, secret, before, _state(target))
    _write_down(act, done, actor, reason, ticked)
    session().commit()
    if actor.user is not None:
        protection.watch_administrator(actor.user)
        session().commit()
    notifications.flush()
    return done


def left_open(act: Act, ticked: Collection[str]) -> str | None:
    """Return what was not checked, None when everything was."""
    if all(option.name in ticked for option in act.options if option.required):
        return None
    return "Go through the whole checklist first: each point has to be ticked."


def _write_down(act: Act, done: Done, actor: Actor, reason: str, ticked: Collection[str]) -> None:
    target = done.target
    states = {"before": dict(done.before), "after": dict(done.after)}
    outcome = {"refused": done.refused} if done.refused else states
    audit.record(
        Event.CONSOLE_ACT_REFUSED if done.refused else Event.CONSOLE_ACTED,
        actor=actor.name,
        user_id=target.user_id,
        sign_in_id=target.sign_in.id if target.sign_in is not None else None,
        act=act.name,
        target=target.key,
        reason=reason,
        options=sorted(ticked),
        **outcome,
    )


def _state(target: Target) -> dict[str, Any]:
    """Return what an act can change, as it is stored now."""
    state: dict[str, Any] = {}
    if target.user is not None:
        session().refresh(target.user)
        user = target.user
        state |= {"risk": user.risk.label, "risk_state": user.risk_state, "may_sign_in": user.enabled}
        state |= {"new_password_required": user.must_change_password}
        state |= {"open_detections": _count(RiskDetection, RiskDetection.user_id == user.id, IS_OPEN)}
        alive = (SignIn.succeeded, SignIn.ended_at.is_(None))
        state |= {"sign_ins_not_ended": _count(SignIn, SignIn.user_id == user.id, *alive)}
    if target.sign_in is not None:
        session().refresh(target.sign_in)
        level = RiskLevel(target.sign_in.aggregated_level).label
        state |= {"sign_in_risk": level, "sign_in_state": target.sign_in.risk_state}
        state |= {"ended": target.sign_in.ended_at is not None, "pass": passes.is_open(target.sign_in)}
    if target.detection is not None:
        session().refresh(target.detection)
        state |= {"detection": target.detection.state, "detail": target.detection.detail}
    return state


def _count(model: Any, *conditions: Any) -> int:
    return session().scalar(select(func.count()).select_from(model).where(*conditions)) or 0


def _user(user_id: str | None) -> User | None:
    user = session().get(User, user_id) if user_id else None
    if user is not None:
        runtime().directory.refreshed(user)  # the host may have made somebody an administrator just now
    return user
