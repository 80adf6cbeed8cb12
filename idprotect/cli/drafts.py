"""Commands about drafts of policies: the shelf of the console.

What looks at a draft takes a file: ``policy draft export`` makes one for ``policy check``, ``preview`` and ``replay``.
"""

from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from idprotect import policies, policy_drafts
from idprotect.cli.base import Result, command, operator
from idprotect.cli.policies import applied, confirm_option, note_option, policy_group, read_text
from idprotect.errors import NotFound
from idprotect.models import PolicyDraft

draft_group = AppGroup("draft", help="Drafts of policies, which wait and are not in force.")
policy_group.add_command(draft_group)


@command(draft_group, "list")
def list_drafts() -> Result:
    """List drafts, those that were saved last first."""
    return [_draft(draft) for draft in policy_drafts.drafts()]


@command(draft_group, "save")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--revision", type=int, help="The one that you saw, to go on with a draft that there is.")
def save_draft(name: str, file: Path, revision: int | None) -> Result:
    """Keep a TOML file as a draft; it may break rules until it is to come into force."""
    text, newest = read_text(file), policies.newest_version()
    if revision is None:
        return _draft(policy_drafts.create(name, text, newest, operator()))
    draft = policy_drafts.find(name)
    policy_drafts.save(draft, text, newest, operator(), revision)
    return _draft(draft)


@draft_group.command("export")
@click.argument("name")
def export_draft(name: str) -> None:
    """Write a draft as a file, on standard output."""
    try:
        click.echo(policy_drafts.find(name).text, nl=False)
    except NotFound as error:
        raise click.ClickException(str(error)) from None


@command(draft_group, "apply")
@click.argument("name")
@note_option
@confirm_option
def apply_draft(name: str, note: str, confirm: str) -> Result:
    """Put a draft into force; refused when other policies came into force since it was saved."""
    draft = policy_drafts.find(name)
    put = policy_drafts.apply(
        draft, draft.text, draft.based_on, operator(), note or name, draft.revision, confirm
    )
    return applied(put)


@command(draft_group, "discard")
@click.argument("name")
@click.option("--reason", required=True, help="For the audit log.")
def discard_draft(name: str, reason: str) -> Result:
    """Throw a draft away."""
    draft = policy_drafts.find(name)
    policy_drafts.discard(draft, operator(), reason, draft.revision)
    return {"discarded": draft.name}


def _draft(draft: PolicyDraft) -> dict[str, Any]:
    return {
        "name": draft.name,
        "revision": draft.revision,
        "based_on": draft.based_on,
        "created_by": draft.created_by,
        "saved_at": draft.saved_at.isoformat(),
        "saved_by": draft.saved_by,
    }
