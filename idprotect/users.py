"""Our own users: making them, changing them, their passwords, and their end."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import String, bindparam, cast, exists, func, select, update
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError

from idprotect import (
    audit,
    clock,
    notifications,
    password_policy,
    protection,
    sessions,
    standard_claims,
    throttle,
    usernames,
)
from idprotect.audit import Event
from idprotect.errors import InteractionError, NotFound
from idprotect.local_directory import LocalDirectory
from idprotect.models import (
    Authenticator,
    AuthorizationCode,
    Challenge,
    Consent,
    Device,
    DeviceGrant,
    RecoveryCode,
    SignIn,
    TermsAcceptance,
    Token,
    User,
    new_id,
    rows_changed,
    run,
    session,
    table_of,
)
from idprotect.passwords import USED
from idprotect.roles import Role
from idprotect.runtime import breach_count, runtime, settings

ADMINISTRATOR = str(Role.ADMINISTRATOR)
_table = table_of(User)
_STILL_HAS = (
    update(_table)
    .where(
        _table.c.id == bindparam("user"),
        _table.c.password_hash.is_not_distinct_from(bindparam("password")),
        _table.c.temporary_password_hash.is_not_distinct_from(bindparam("temporary")),
    )
    .values(password_hash=_table.c.password_hash)
)


def get(username: str) -> User:
    """Return the user called *username*; raise NotFound when there is none."""
    user = runtime().directory.find(username)
    if user is None:
        raise NotFound(f"no user is called {username!r}")
    return user


def create(
    username: str,
    password: str | None = None,
    *,
    by: str,
    name: str = "",
    email: str | None = None,
    groups: tuple[str, ...] = (),
    roles: tuple[str, ...] = (),
    allow_breached: bool = False,
) -> User:
    """Make a user.

    :param allow_breached: for demonstrations of ``leaked_credentials``.
    :raises InteractionError: for a name that is taken, looks like a taken one, or a password that is refused.
    """
    if not isinstance(runtime().directory, LocalDirectory):
        raise InteractionError("The host application keeps the users; create them there.")
    try:
        canonical = usernames.canonical(username)
    except usernames.InvalidUsername as error:
        raise InteractionError(str(error), "username") from None
    user = User(
        id=new_id(),
        username=canonical,
        skeleton=usernames.skeleton(canonical),
        name=name,
        email=email,
        groups=list(groups),
        roles=list(roles),
        password_history=[],
    )
    if password is not None:
        if not allow_breached:
            check_new_password(user, password)
        runtime().directory.set_password(user, password)
    _insert(user)
    audit.record(Event.USER_CREATED, actor=by, user_id=user.id, roles=list(roles), groups=list(groups))
    return user


def _insert(user: User) -> None:
    """Store a new user; the database alone knows whether the name is free at this moment."""
    session().add(user)
    try:
        session().flush()
    except IntegrityError:
        session().rollback()
        raise InteractionError(
            "A user with this name, or one that looks like it, exists.", "username"
        ) from None


def check_new_password(user: User, password: str, field: str = "password") -> None:
    """Refuse a password that is too short, common, breached, or about the user.

    :raises InteractionError: with all reasons, kindly.
    """
    words = [user.username, user.name, settings().brand_name, *((user.email or "").split("@")[:1])]
    problems = password_policy.check(
        password,
        context_words=[word for word in words if word],
        min_length=settings().password_min_length,
        breached=breach_count,
    )
    if problems:
        raise InteractionError(" ".join(problem.message for problem in problems), field)


def set_temporary_password(user: User, by: str) -> str:
    """Replace the password by one that works once, ends everything, and forces a new one; return it.

    It has 100 random bits in groups that can be read out.
    """
    if not runtime().directory.sets_passwords:
        raise InteractionError("The host application keeps the passwords.")
    groups = ["".join(secrets.choice("ABCDEFGHJKMNPQRSTVWXYZ23456789") for _ in range(5)) for _ in range(4)]
    temporary = "-".join(groups)
    user.temporary_password_hash = runtime().passwords.hash(temporary)
    user.temporary_password_expires_at = clock.now() + timedelta(
        seconds=settings().temporary_password_lifetime
    )
    user.must_change_password = True
    throttle.forget_all(password_key(user.username))
    sessions.forget_devices(user.id)
    protection.temporary_password(user, by)
    audit.record(Event.PASSWORD_TEMPORARY, actor=by, user_id=user.id)
    return temporary


def require_new_password(user: User, by: str, reason: str) -> None:
    """Let nothing go out to a user any more until there is a new password, after a second factor.

    :raises InteractionError: when there is no second factor, with what to do instead.
    """
    check_reset_possible(user)
    user.must_change_password = True
    audit.record(Event.PASSWORD_REQUIRED, actor=by, user_id=user.id, reason=reason)


def check_reset_possible(user: User) -> None:
    """Refuse to ask for a new password where whoever has the old one could choose it.

    :raises InteractionError: saying what to do instead.
    """
    if not runtime().directory.sets_passwords:
        raise InteractionError("The host application keeps the passwords.")
    if user.must_change_password:
        raise InteractionError("A new password is required already.")
    confirmed = exists().where(Authenticator.user_id == user.id, Authenticator.confirmed_at.is_not(None))
    if not session().scalar(select(confirmed)):
        raise InteractionError(
            "There is no second factor, so whoever knows the password could choose the new one. "
            "Use a temporary password."
        )


def lock_down(user: User, by: str, reason: str) -> None:
    """Everything at once: confirmed compromised, sessions and tokens ended, devices forgotten, blocked.

    :raises InteractionError: for the last administrator.
    """
    protection.confirm_compromised(user, by, reason)
    sessions.forget_devices(user.id)
    if user.host_id is None:  # who may sign in to a host application is for the host to say
        set_enabled(user, False, by)


def still_has_password(user: User) -> bool:
    """Whether the password that was just compared is the user's still; it stays so until the end of the transaction.

    A reset at the same moment comes before, and is noticed, or after, and then ends what is begun here.
    """
    compared = {"password": user.password_hash, "temporary": user.temporary_password_hash}
    return run(_STILL_HAS, user=user.id, **compared).rowcount == 1


def renew_hash(user: User, password: str) -> None:
    """Store the password that was just found right with the parameters of now, when they changed meanwhile."""
    passwords = runtime().passwords
    if user.password_hash and not user.must_change_password and passwords.needs_rehash(user.password_hash):
        user.password_hash = passwords.hash(password)


def use_temporary_password(user: User) -> bool:
    """Take the temporary password off the row; return whether this caller was the one that took it.

    One conditional write decides, so of many sign-ins at once exactly one succeeds.
    """
    statement = (
        update(User)
        .where(
            User.id == user.id,
            User.temporary_password_hash == user.temporary_password_hash,
            User.temporary_password_expires_at > clock.now(),
        )
        # It stays behind as no hash at all, so that the old password does not come back to life.
        .values(temporary_password_hash=f"{USED}{user.temporary_password_hash}")
    )
    return rows_changed(statement) == 1


def change_password(user: User, password: str, sign_in: SignIn, *, secure: bool) -> None:
    """Store a new password and end everything else of the user.

    :param secure: in the flow after MFA, or after an administrator's temporary password: risk is closed.
    """
    check_new_password(user, password, "new")
    if runtime().directory.is_recent_password(user, password):
        raise InteractionError("Please choose a password that you have not used here before.", "new")
    runtime().directory.set_password(user, password)
    if secure:
        protection.secure_password_change(user, sign_in)
    else:
        protection.voluntary_password_change(user, sign_in)
    password_changed(user, sign_in, secure=secure)


def password_changed(user: User, sign_in: SignIn | None, *, secure: bool) -> None:
    """Write a password change down, and let whoever knew the old one look like a stranger."""
    sessions.forget_devices(user.id)
    sign_in_id = sign_in.id if sign_in is not None else None
    audit.record(
        Event.PASSWORD_CHANGED, actor=user.username, user_id=user.id, sign_in_id=sign_in_id, secure=secure
    )
    notifications.password_changed(user)


def import_leaked_pair(username: str, password: str, source: str) -> bool:
    """Raise ``leaked_credentials`` when a leaked pair is the user's password now; a stale pair raises nothing."""
    from idprotect.risk.detections.leaked_credentials import leaked_pair

    user = runtime().directory.find(username)
    if user is None or not runtime().directory.verify_password(user, password):
        return False
    protection.raise_detection(user, leaked_pair(source), actor="system")
    return True


def administrators() -> Sequence[User]:
    """Return the enabled users who administer this server."""
    named = select(User).where(User.enabled, cast(User.roles, String).contains(f'"{ADMINISTRATOR}"'))
    return [user for user in session().scalars(named) if ADMINISTRATOR in user.roles]


def password_key(username: str) -> str:
    """Return the throttle key of tries at a user's password, the same whether or not the user exists."""
    return "password:" + runtime().keys.keyed_hash("username", username)[:40]


def has_failed(user: User) -> bool:
    """Whether wrong passwords of a user are counted, anywhere."""
    return throttle.counts_any(password_key(user.username))


def count() -> int:
    """Return how many users there are."""
    return session().scalar(select(func.count()).select_from(User)) or 0


def delete(user: User, by: str, reason: str) -> None:
    """Delete a user with all that is only theirs; the id is never given to anybody else.

    Sessions and tokens end. Sign-ins, detections and history stay, for whatever was found can still be closed.

    :raises InteractionError: for the last administrator, and for somebody whom a host application still knows.
    """
    keep_an_administrator(user)
    if runtime().directory.is_kept_elsewhere(user):
        raise InteractionError("The host application keeps this user; delete it there first.")
    protection.hold(user.id)
    sessions.end_all(user.id, "deleted", actor=by)
    for model in (
        Token,
        AuthorizationCode,
        Consent,
        DeviceGrant,
        Challenge,
        RecoveryCode,
        Device,
        Authenticator,
        TermsAcceptance,
    ):
        session().execute(sql_delete(model).where(model.user_id == user.id))
    audit.record(
        Event.USER_DELETED,
        actor=by,
        user_id=user.id,
        username=user.username,
        roles=list(user.roles),
        reason=reason,
    )
    session().delete(user)
    session().flush()


def set_roles(user: User, names: tuple[str, ...], by: str) -> None:
    """Give a user these roles and no others; their sign-ins end, so that nobody goes on with what was taken away.

    :raises InteractionError: when nobody would be left who administers.
    """
    if user.host_id is not None:
        raise InteractionError("The host application gives roles; change them there.")
    if ADMINISTRATOR not in names:
        keep_an_administrator(user)
    before, user.roles = list(user.roles), sorted(set(names))
    sessions.end_all(user.id, "roles_changed", actor=by)
    audit.record(
        Event.USER_CHANGED,
        actor=by,
        user_id=user.id,
        change="roles",
        before={"roles": before},
        after={"roles": list(user.roles)},
    )


def keep_an_administrator(user: User) -> None:
    """Refuse to go on when this user is the last who administers.

    :raises InteractionError: saying so.
    """
    if user.enabled and ADMINISTRATOR in user.roles and len(administrators()) == 1:
        raise InteractionError("This is the last administrator. Make another one first.")


def set_enabled(user: User, enabled: bool, by: str) -> None:
    """Let a user sign in, or stop that and end everything."""
    if user.host_id is not None and user.enabled != enabled:
        raise InteractionError("The host application decides who may sign in; change it there.")
    if not enabled:
        keep_an_administrator(user)
    user.enabled = enabled
    if enabled:
        throttle.forget_all(password_key(user.username))
    else:
        sessions.end_all(user.id, "disabled", actor=by)
    audit.record(Event.USER_CHANGED, actor=by, user_id=user.id, change="enabled" if enabled else "disabled")


def set_claims(user: User, changes: Mapping[str, str], by: str) -> None:
    """Change what is known of a person, by the names of :mod:`idprotect.standard_claims`.

    :raises InteractionError: for a claim that cannot be set so.
    """
    try:
        claims = standard_claims.changed(user.claims, changes)
    except ValueError as error:
        raise InteractionError(str(error)) from None
    user.claims = {**claims, "updated_at": int(clock.now().timestamp())}
    audit.record(Event.USER_CHANGED, actor=by, user_id=user.id, change="claims", claims=sorted(changes))
