"""What people teach us about how a user signs in: which sign-ins show it, and since when we learn."""

from datetime import datetime

from sqlalchemy import update

from idprotect import clock
from idprotect.models import SignIn, User, session


def teach(user_id: str, sign_in: SignIn) -> None:
    """Take a sign-in for its owner's: somebody who can tell confirmed it."""
    sign_in.teaches = True


def disown(user_id: str, sign_in: SignIn) -> None:
    """Learn nothing from a sign-in: its user says that it was somebody else."""
    sign_in.teaches = False


def take_back(user_id: str, sign_in: SignIn) -> None:
    """Forget that a sign-in was confirmed: its outcome tells again."""
    sign_in.teaches = None


def restart(user_id: str) -> None:
    """Learn anew from now on: what was learnt before is kept, and not relied upon."""
    session().execute(update(User).where(User.id == user_id).values(learning_since=clock.now()))


def forget_since(user_id: str, when: datetime) -> None:
    """Learn nothing from the sign-ins since *when*: somebody else may be among them, and confirmed their own."""
    theirs = update(SignIn).where(SignIn.user_id == user_id, SignIn.succeeded, SignIn.signed_in_at >= when)
    session().execute(theirs.values(teaches=False))
