"""Terms of use: documents that policies can have accepted, made and published in versions by administrators."""

import re
from collections.abc import Sequence

from sqlalchemy import Row, select, update
from sqlalchemy import delete as sql_delete

from idprotect import audit, policies
from idprotect.audit import Event
from idprotect.errors import InteractionError, NotFound, TermsChanged
from idprotect.models import Terms, TermsVersion, dialect, insert, rows_changed, session

MOST = 100
LONGEST_NAME, LONGEST_TITLE, LONGEST_TEXT = 64, 200, 50_000
MOST_DAYS = 3650
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")


def everything() -> Sequence[Row[Terms, TermsVersion]]:
    """Return all terms, each with its newest version, by name."""
    newest = (TermsVersion.terms == Terms.name) & (TermsVersion.version == Terms.version)
    return (
        session().execute(select(Terms, TermsVersion).join(TermsVersion, newest).order_by(Terms.name)).all()
    )


def get(name: str) -> Terms:
    """Return terms as they are stored now; raise NotFound when none are called so."""
    found = session().get(Terms, name, populate_existing=True)
    if found is None:
        raise NotFound(f"no terms of use are called {name!r}")
    return found


def version(name: str, number: int | None = None) -> TermsVersion:
    """Return one version of terms, the newest when none is named; raise NotFound when there is none."""
    wanted = get(name).version if number is None else number
    found = session().get(TermsVersion, (name, wanted)) if 0 < wanted < 2**31 else None
    if found is None:
        raise NotFound(f"terms {name!r} have no version {wanted}")
    return found


def versions(name: str) -> Sequence[TermsVersion]:
    """Return every version of terms, the newest first."""
    mine = select(TermsVersion).where(TermsVersion.terms == name)
    return session().scalars(mine.order_by(TermsVersion.version.desc())).all()


def policies_about(name: str) -> list[str]:
    """Return the names of the policies that ask for terms, whatever their state."""
    return [policy.name for policy in policies.current().policies if name in policy.terms_of_use]


def create(
    name: str, title: str, text: str, by: str, *, valid_days: int | None = None, note: str = ""
) -> TermsVersion:
    """Make terms; nobody has to accept them until a policy says so.

    :param valid_days: for how many days an acceptance is good; None: until a version asks again.
    :raises InteractionError: for what is no name, title, text or number of days, and for a name that is taken.
    """
    if not _NAME.fullmatch(name):
        raise InteractionError(
            f"A name has at most {LONGEST_NAME} small letters, digits and hyphens between them.", "name"
        )
    title, text = _checked(title, text)
    if len(everything()) >= MOST:
        raise InteractionError(f"There are {MOST} terms of use already.")
    values = {"name": name, "version": 1, "required": 1, "valid_days": _days(valid_days)}
    made = insert(Terms, dialect()).values(values).on_conflict_do_nothing(index_elements=["name"])
    if not rows_changed(made):
        raise InteractionError("There are terms of use of this name already.", "name")
    shown = TermsVersion(terms=name, version=1, title=title, text=text, published_by=by, note=note)
    session().add(shown)
    session().flush()
    audit.record(Event.TERMS_CREATED, actor=by, terms=name, title=title, valid_days=valid_days, note=note)
    return shown


def publish(
    name: str,
    title: str,
    text: str,
    by: str,
    *,
    based_on: int,
    asks_again: bool = True,
    note: str = "",
) -> TermsVersion:
    """Publish a new version, which is what people are shown from now on.

    :param based_on: the version that was seen.
    :param asks_again: whoever accepted an older version has to accept this one; not where only words were mended.
    :raises TermsChanged: when another version is the newest by now.
    :raises InteractionError: for what is no title or text, and for a version that says what the newest says.
    """
    title, text = _checked(title, text)
    newest = version(name)
    if newest.version == based_on and not is_other(newest, title, text):
        raise InteractionError("This is the text of the newest version.", "text")
    required = {"required": based_on + 1} if asks_again else {}
    seen = update(Terms).where(Terms.name == name, Terms.version == based_on)
    if not rows_changed(seen.values(version=based_on + 1, **required)):
        raise TermsChanged
    shown = TermsVersion(
        terms=name,
        version=based_on + 1,
        title=title,
        text=text,
        asks_again=asks_again,
        published_by=by,
        note=note,
    )
    session().add(shown)
    session().flush()
    audit.record(
        Event.TERMS_PUBLISHED,
        actor=by,
        terms=name,
        version=shown.version,
        title=title,
        asks_again=asks_again,
        note=note,
    )
    return shown


def is_other(published: TermsVersion, title: str, text: str) -> bool:
    """Whether people would read something else; how lines end is no difference."""
    return (published.title, published.text) != _checked(title, text)


def set_valid_days(name: str, valid_days: int | None, by: str, note: str = "") -> Terms:
    """Say for how many days an acceptance is good; also of those that were given before."""
    before, days = get(name).valid_days, _days(valid_days)
    if before != days:
        rows_changed(update(Terms).where(Terms.name == name).values(valid_days=days))
        audit.record(Event.TERMS_CHANGED, actor=by, terms=name, before=before, after=days, note=note)
    return get(name)


def delete(name: str, by: str, reason: str) -> None:
    """Delete terms with all versions and acceptances.

    :raises NotFound: when none are called so.
    :raises InteractionError: when a policy asks for them; the caller rolls back.
    """
    # Taken away first: whoever puts policies into force at this moment waits, and then finds them gone.
    if not rows_changed(sql_delete(Terms).where(Terms.name == name)):
        raise NotFound(f"no terms of use are called {name!r}")
    if used_by := policies_about(name):
        raise InteractionError(f"They cannot be deleted: asked for by {', '.join(used_by)}.")
    audit.record(Event.TERMS_DELETED, actor=by, terms=name, reason=reason)


def _checked(title: str, text: str) -> tuple[str, str]:
    """Return title and text as they are kept: with the line ends of a file, and without what cannot be shown."""
    title = title.strip()
    if not title or len(title) > LONGEST_TITLE or not title.isprintable():
        raise InteractionError(f"A title of at most {LONGEST_TITLE} characters is needed.", "title")
    if len(text) > LONGEST_TEXT:
        raise InteractionError(f"A text has at most {LONGEST_TEXT} characters.", "text")
    lines = [line.rstrip() for line in text.expandtabs(4).splitlines()]
    if not any(lines):
        raise InteractionError("A text is needed.", "text")
    if not all(line.isprintable() for line in lines):
        raise InteractionError("The text has characters that cannot be shown.", "text")
    return title, "\n".join(lines).strip("\n") + "\n"


def _days(days: int | None) -> int | None:
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise InteractionError(f"Days are a whole number from 1 to {MOST_DAYS}.", "valid_days")
    return days
