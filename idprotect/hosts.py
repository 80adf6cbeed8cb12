"""Users of a host application: its own model and its own passwords, shadowed by a row of ours."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from sqlalchemy import func, or_, select

from idprotect import usernames
from idprotect.errors import ConfigurationError, InteractionError
from idprotect.models import User, UserFacts, dialect, insert, new_id, session
from idprotect.passwords import USED
from idprotect.runtime import runtime

LONGEST_ID, LONGEST_NAME, LONGEST_MAIL = 128, 256, 320


class HostUsers(Protocol):
    """What a host application tells about its users. ``host_user`` is an object of its own model.

    Write a class with these methods, or let :class:`SQLAlchemyUsers` be one. With ``sets_passwords = False`` people
    cannot change their password at idprotect.
    """

    def get(self, user_id: str) -> Any | None:
        """Return the user with this id."""

    def find(self, username: str) -> Any | None:
        """Return the user who signs in with this name, as it was typed."""

    def identify(self, host_user: Any) -> str:
        """Return the id, which is never given to somebody else."""

    def username(self, host_user: Any) -> str:
        """Return the name to sign in with; it may change."""

    def is_enabled(self, host_user: Any) -> bool:
        """Whether the user may sign in."""

    def groups(self, host_user: Any) -> Iterable[str]:
        """Return the groups that policies can name."""

    def roles(self, host_user: Any) -> Iterable[str]:
        """Return the roles that policies can name."""

    def claims(self, host_user: Any) -> dict[str, Any]:
        """Return standard claims: ``name``, ``email`` and so on."""

    def verify_password(self, host_user: Any, password: str) -> bool:
        """Compare a password."""

    def set_password(self, host_user: Any, password: str) -> None:
        """Store a new password, in the database session and without a commit."""


class SQLAlchemyUsers:
    """Host users kept in one SQLAlchemy model, told by the names of its columns.

    :param model: the host's model.
    :param verify_password: ``(user, password) -> bool``.
    :param set_password: ``(user, password) -> None``, without a commit; None: people cannot change it here.
    :param enabled: name of a column or property; None: everybody may sign in.
    :param claims: ``user -> claims`` beyond name, mail and user name, for example ``email_verified``.
    """

    def __init__(
        self,
        model: Any,
        *,
        verify_password: Callable[[Any, str], bool],
        set_password: Callable[[Any, str], None] | None = None,
        id: str = "id",  # noqa: A002 (the host's word)
        username: str = "username",
        name: str | None = None,
        email: str | None = None,
        enabled: str | None = None,
        groups: Callable[[Any], Iterable[str]] = lambda user: (),
        roles: Callable[[Any], Iterable[str]] = lambda user: (),
        claims: Callable[[Any], Mapping[str, Any]] = lambda user: {},
    ) -> None:
        self.model = model
        self._id, self._username, self._enabled = id, username, enabled
        self._claims = {"name": name, "email": email}
        self._more_claims = claims
        self.verify_password = verify_password
        self._set_password = set_password
        self.groups, self.roles = groups, roles

    def get(self, user_id: str) -> Any | None:
        """Return the user with this id."""
        column = getattr(self.model, self._id)
        try:
            value = column.type.python_type(user_id)
        except (ValueError, TypeError):
            return None
        return session().scalar(select(self.model).where(column == value))

    def find(self, username: str) -> Any | None:
        """Return the user of this name; the exact spelling wins, then case does not matter."""
        column = getattr(self.model, self._username)
        matches = or_(column == username, func.lower(column) == username.lower())
        statement = select(self.model).where(matches).order_by(column != username).limit(1)
        return session().scalar(statement)

    def identify(self, host_user: Any) -> str:
        """Return the id as text."""
        return str(getattr(host_user, self._id))

    def username(self, host_user: Any) -> str:
        """Return the name to sign in with."""
        return str(getattr(host_user, self._username))

    def is_enabled(self, host_user: Any) -> bool:
        """Whether the user may sign in."""
        return self._enabled is None or bool(getattr(host_user, self._enabled))

    def claims(self, host_user: Any) -> dict[str, Any]:
        """Return name, mail and user name, and what else the host tells."""
        known = {claim: getattr(host_user, column) for claim, column in self._claims.items() if column}
        claims: dict[str, Any] = {"preferred_username": self.username(host_user)}
        claims |= {claim: str(value) for claim, value in known.items() if value}
        return claims | dict(self._more_claims(host_user))

    def set_password(self, host_user: Any, password: str) -> None:
        """Store a new password."""
        if self._set_password is not None:
            self._set_password(host_user, password)

    @property
    def sets_passwords(self) -> bool:
        """Whether people can change their password here."""
        return self._set_password is not None


class HostDirectory:
    """The directory over a host's users. Each gets a row of ours when first seen, for risk, factors and sessions."""

    def __init__(self, users: HostUsers) -> None:
        self.host = users
        self.sets_passwords = bool(getattr(users, "sets_passwords", True))

    def find(self, username: str) -> User | None:
        """Return our row for the host's user of this name, as it was typed."""
        # No host has such a name, and a database may refuse to look for it.
        host_user = self.host.find(username) if username.isprintable() else None
        return self.shadow(host_user) if host_user is not None else None

    def known(self, host_user: Any) -> User | None:
        """Return our row for a host's user, if it was made already."""
        return session().scalar(select(User).where(User.host_id == self.host.identify(host_user)))

    def shadow(self, host_user: Any) -> User:
        """Return our row for a host's user, made when it is not there yet."""
        user = self.known(host_user) or self._create(host_user)
        self._with(user, self._told(host_user, user))
        return user

    def refreshed(self, user: UserFacts) -> UserFacts:
        """Return the user as the host knows it now; one that it no longer knows is disabled."""
        host_user = self._host_user(user)
        return self._with(user, self._told(host_user, user) if host_user is not None else {"enabled": False})

    def is_kept_elsewhere(self, user: User) -> bool:
        """Whether the host knows the user, and our row would only come back."""
        return self._host_user(user) is not None

    def verify_password(self, user: User | None, password: str) -> bool:
        """Compare with the host's password, or with a temporary one of ours; an unknown user costs a hash, too."""
        host_user = self._host_user(user)
        if user is None or host_user is None:
            return runtime().passwords.verify(None, password)
        if user.temporary_password_hash:
            return runtime().passwords.verify(user.temporary_password_hash, password)
        return self.host.verify_password(host_user, password)

    def is_recent_password(self, user: User, password: str) -> bool:
        """Whether it is a temporary password or the one that the host has; older ones are not known here."""
        temporary, host_user = (user.temporary_password_hash or "").removeprefix(USED), self._host_user(user)
        return (bool(temporary) and runtime().passwords.verify(temporary, password)) or (
            host_user is not None and self.host.verify_password(host_user, password)
        )

    def set_password(self, user: User, password: str) -> None:
        """Let the host store a new password."""
        host_user = self._host_user(user)
        if host_user is None:
            raise InteractionError("The application does not know you any more.")
        self.host.set_password(host_user, password)
        self.password_changed(user)

    def password_changed(self, user: User) -> None:
        """The host has a new password: a temporary one of ours is gone."""
        user.must_change_password = False
        user.temporary_password_hash = user.temporary_password_expires_at = None

    def claims(self, user: UserFacts) -> dict[str, Any]:
        """Return the host's claims."""
        host_user = self._host_user(user)
        return dict(self.host.claims(host_user)) if host_user is not None else {}

    def _host_user(self, user: UserFacts | None) -> Any | None:
        return self.host.get(user.host_id) if user is not None and user.host_id is not None else None

    def _with(self, user: UserFacts, told: Mapping[str, Any]) -> UserFacts:
        """Return a user with what the host told; our row is written where it was not so."""
        changes = {name: value for name, value in told.items() if getattr(user, name) != value}
        if not changes:
            return user
        row = session().get_one(User, user.id)
        for name, value in changes.items():
            setattr(row, name, value)
        return row

    def _told(self, host_user: Any, user: UserFacts) -> dict[str, Any]:
        """Return what the host says of a user, as columns of our row."""
        claims = self.host.claims(host_user)
        return {
            "username": self._free_name(host_user, user.username),
            "enabled": self.host.is_enabled(host_user),
            "groups": sorted(self.host.groups(host_user)),
            "roles": sorted(self.host.roles(host_user)),
            "name": str(claims.get("name", ""))[:LONGEST_NAME],
            "email": email if (email := claims.get("email")) and len(email) <= LONGEST_MAIL else None,
        }

    def _free_name(self, host_user: Any, current: str) -> str:
        """Return the name that our row should have; *current* when that will do."""
        names = self._names(host_user)
        if current in names:
            return current
        taken = set(session().scalars(select(User.username).where(User.username.in_(names))))
        return next(name for name in names if name not in taken)

    def _names(self, host_user: Any) -> list[str]:
        """Return names for our row, in which each name is unique, best first.

        The host may have two users whose names are one to us, or give a name away again; the second then carries the
        host's id.
        """
        name = usernames.loose(self.host.username(host_user))
        return [name, f"{name[:120]} ({self._host_id(host_user)})", new_id()]

    def _host_id(self, host_user: Any) -> str:
        host_id = self.host.identify(host_user)
        if not 0 < len(host_id) <= LONGEST_ID:
            raise ConfigurationError(f"the id of a host's user has 1 to {LONGEST_ID} characters")
        return host_id

    def _create(self, host_user: Any) -> User:
        """Make our row. A second request at the same moment makes none, and finds this one."""
        host_id = self._host_id(host_user)
        for name in self._names(host_user):
            row = insert(User, dialect()).values(
                host_id=host_id, username=name, skeleton=f"host:{host_id}", password_history=[]
            )
            session().execute(row.on_conflict_do_nothing())
            if (user := self.known(host_user)) is not None:
                return user
        raise ConfigurationError(f"no row could be made for the host's user {host_id!r}")
