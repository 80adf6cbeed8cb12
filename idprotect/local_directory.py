"""The directory of the stand-alone server: the users in our own table."""

from typing import Any

from sqlalchemy import bindparam, select

from idprotect import clock, usernames
from idprotect.models import User, UserFacts, session
from idprotect.passwords import USED
from idprotect.runtime import runtime

REMEMBERED_PASSWORDS = 3
_BY_NAME = select(User).where(User.username == bindparam("username"))


class LocalDirectory:
    """The users in our own table."""

    sets_passwords = True

    def find(self, username: str) -> User | None:
        """Return the user of a name, as it was typed."""
        try:
            canonical = usernames.canonical(username)
        except usernames.InvalidUsername:
            return None
        return session().scalar(_BY_NAME, {"username": canonical})

    def refreshed(self, user: UserFacts) -> UserFacts:
        """Return the user as it is: the row is the truth."""
        return user

    def is_kept_elsewhere(self, user: User) -> bool:
        """No: there is only our row."""
        return False

    def verify_password(self, user: User | None, password: str) -> bool:
        """Compare a password; while a temporary one is set it is the only one."""
        stored = (user.temporary_password_hash or user.password_hash) if user is not None else None
        return runtime().passwords.verify(stored, password)

    def is_recent_password(self, user: User, password: str) -> bool:
        """Whether the password is the current one or one of the last few."""
        temporary = (user.temporary_password_hash or "").removeprefix(USED)
        stored = [temporary, user.password_hash, *user.password_history]
        return any(runtime().passwords.verify(old, password) for old in stored if old)

    def set_password(self, user: User, password: str) -> None:
        """Store a new password; temporary ones are gone."""
        if user.password_hash:
            user.password_history = [user.password_hash, *user.password_history][:REMEMBERED_PASSWORDS]
        user.password_hash = runtime().passwords.hash(password)
        user.password_changed_at = clock.now()
        user.must_change_password = False
        user.temporary_password_hash = user.temporary_password_expires_at = None

    def claims(self, user: UserFacts) -> dict[str, Any]:
        """Return name, mail and user name, and what else is known."""
        claims = {**user.claims, "name": user.display_name, "preferred_username": user.username}
        verified = bool(claims.pop("email_verified", False))
        return claims | ({"email": user.email, "email_verified": verified} if user.email else {})
