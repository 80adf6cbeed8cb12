"""How far something was worked off that is done once for all workers."""

from sqlalchemy import select, update

from idprotect.models import Progress, dialect, insert, rows_changed, session


def of(name: str) -> int | None:
    """Return how far something is; None when nobody ever began with it."""
    return session().scalar(select(Progress.position).where(Progress.name == name))


def begin(name: str, position: int) -> None:
    """Begin here, unless somebody else just did."""
    first = insert(Progress, dialect()).values(name=name, position=position)
    session().execute(first.on_conflict_do_nothing())


def move(name: str, before: int, to: int) -> bool:
    """Move it on, in the transaction of what is done for that; False: another worker was faster."""
    this = update(Progress).where(Progress.name == name, Progress.position == before)
    return bool(rows_changed(this.values(position=to)))
