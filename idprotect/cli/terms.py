"""Commands about terms of use: make them, publish versions, see who accepted them."""

from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import acceptances, terms
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.cli.policies import note_option, read_text
from idprotect.models import Terms, TermsAcceptance, TermsVersion, User, session

terms_group = AppGroup("terms", help="Terms of use, which policies can have accepted.")
idprotect.add_command(terms_group)

DAYS = click.IntRange(1, terms.MOST_DAYS)
text_argument = click.argument("file", type=click.Path(path_type=Path))


@command(terms_group, "create")
@click.argument("name")
@text_argument
@click.option("--title", required=True, help="What people see above the text.")
@click.option("--valid-days", type=DAYS, help="Accepted anew after so many days.")
@note_option
def create_terms(name: str, file: Path, title: str, valid_days: int | None, note: str) -> Result:
    """Make terms of use of a text file; nobody is asked for them until a policy says so."""
    text = read_text(file)
    return _version(terms.create(name, title, text, operator(), valid_days=valid_days, note=note))


@command(terms_group, "publish")
@click.argument("name")
@text_argument
@click.option("--title", help="Instead of that of the newest version.")
@click.option(
    "--keep-acceptances", is_flag=True, help="Only words were mended: nobody has to accept it anew."
)
@note_option
def publish_terms(name: str, file: Path, title: str | None, keep_acceptances: bool, note: str) -> Result:
    """Publish a new version; whoever accepted an older one is asked again."""
    newest = terms.version(name)
    return _version(
        terms.publish(
            name,
            newest.title if title is None else title,
            read_text(file),
            operator(),
            based_on=newest.version,
            asks_again=not keep_acceptances,
            note=note,
        )
    )


@command(terms_group, "change")
@click.argument("name")
@click.option("--valid-days", type=DAYS, help="Accepted anew after so many days.")
@click.option("--until-next-version", is_flag=True, help="Accepted anew only when a version asks for it.")
@note_option
def change_terms(name: str, valid_days: int | None, until_next_version: bool, note: str) -> Result:
    """Say for how long an acceptance is good; also of those that were given before."""
    if (valid_days is None) is not until_next_version:
        raise click.UsageError("name either --valid-days or --until-next-version")
    return _terms(terms.set_valid_days(name, valid_days, operator(), note), terms.version(name))


@command(terms_group, "list")
def list_terms() -> Result:
    """List terms of use, each with the policies that ask for it."""
    return [_terms(row, newest) for row, newest in terms.everything()]


@command(terms_group, "show")
@click.argument("name")
@click.option("--version", type=int, help="An older version instead of the newest.")
def show_terms(name: str, version: int | None) -> Result:
    """Show a version with its text, and what became of all of them."""
    shown = terms.version(name, version)
    all_of_them = [_version(row) for row in terms.versions(name)]
    return _terms(terms.get(name), terms.version(name)) | {
        "shown": _version(shown) | {"text": shown.text},
        "versions": all_of_them,
    }


@command(terms_group, "acceptances")
@click.argument("name")
@click.option("--user", help="Only those of one user.")
def list_acceptances(name: str, user: str | None) -> Result:
    """List who accepted which version, the newest first."""
    terms.get(name)
    statement = select(TermsAcceptance, User.username).join(User, User.id == TermsAcceptance.user_id)
    statement = statement.where(TermsAcceptance.terms == name, ~User.simulated)
    if user is not None:
        statement = statement.where(User.username == user.lower())
    found = session().execute(statement.order_by(TermsAcceptance.id.desc()))
    return [_acceptance(row, username) for row, username in found]


@command(terms_group, "delete")
@click.argument("name")
@click.option("--reason", required=True, help="For the audit log.")
def delete_terms(name: str, reason: str) -> Result:
    """Delete terms that no policy asks for, with every version and acceptance."""
    terms.delete(name, operator(), reason)
    return {"deleted": name}


def _terms(row: Terms, newest: TermsVersion) -> dict[str, Any]:
    return {
        "name": row.name,
        "title": newest.title,
        "version": row.version,
        "required_version": row.required,
        "valid_days": row.valid_days,
        "accepted_by": acceptances.count(row.name),
        "policies": terms.policies_about(row.name),
    }


def _version(row: TermsVersion) -> dict[str, Any]:
    return {
        "name": row.terms,
        "version": row.version,
        "title": row.title,
        "asks_again": row.asks_again,
        "published_at": row.published_at.isoformat(),
        "published_by": row.published_by,
        "note": row.note,
    }


def _acceptance(row: TermsAcceptance, username: str) -> dict[str, Any]:
    return {
        "user": username,
        "version": row.version,
        "at": row.at.isoformat(),
        "sign_in": row.sign_in_id,
        "client": row.client_id,
        "address": row.ip_address,
    }
