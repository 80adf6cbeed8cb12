"""Commands about policies: put into force, look at, compare, go back, test, switch to report-only."""

import tomllib
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from idprotect import policies
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.conditional_access import PolicySet, PolicyState, failed_tests, parse_policies, parse_tests
from idprotect.conditional_access.toml import to_toml
from idprotect.errors import IDProtectError
from idprotect.insights import differences
from idprotect.insights.templates import TEMPLATES
from idprotect.models import PolicyVersion

policy_group = AppGroup("policy", help="Conditional access policies.")
idprotect.add_command(policy_group)

file_argument = click.argument("file", type=click.Path(path_type=Path))
note_option = click.option("--note", default="", help="What the version is about.")
confirm_option = click.option(
    "--confirm", default="", help='Type "block everyone" when a policy is meant to stop everybody everywhere.'
)


@command(policy_group, "apply")
@file_argument
@note_option
@confirm_option
def apply_policies(file: Path, note: str, confirm: str) -> Result:
    """Put the policies of a TOML file into force, as a new version; its tests have to pass."""
    return applied(policies.apply(read_toml(file), operator(), note, confirmation=confirm))


@command(policy_group, "check")
@file_argument
@confirm_option
def check_policies(file: Path, confirm: str) -> Result:
    """Say what would speak against a file, and what would change, without putting it into force."""
    draft = read_toml(file)
    checked = policies.check(draft, confirm)
    changes = differences.by_name(policies.document(), draft)
    return {
        "changes": [change.to_dict() for change in changes],
        "tests": len(checked.tests),
        "warnings": list(checked.warnings),
    }


@command(policy_group, "show")
@click.option("--version", type=int, help="An older version instead of the one in force.")
def show_policies(version: int | None) -> Result:
    """Show the policies in force."""
    stored = policies.stored(version)
    return _version(stored) | stored.document


@command(policy_group, "versions")
def list_versions() -> Result:
    """List all versions, newest first: who, when, why, and what changed."""
    newest_first = policies.versions()
    documents = [version.document for version in newest_first][1:] + [{}]
    return [
        _version(version) | {"changes": _changes(former, version.document)}
        for version, former in zip(newest_first, documents, strict=True)
    ]


@command(policy_group, "diff")
@click.argument("old", type=int)
@click.argument("new", type=int, required=False)
@click.option("--unified", is_flag=True, help="Only the lines, as `diff -u` writes them.")
def show_difference(old: int, new: int | None, unified: bool) -> Result:
    """Compare two versions, or one with that in force: by policy, and line by line."""
    before, after = policies.stored(old), policies.stored(new)
    lines = differences.unified(
        before.document, after.document, f"version {before.version}", f"version {after.version}"
    )
    if unified:
        click.echo(lines)
        return None
    changes = differences.by_name(before.document, after.document)
    return {"changes": [change.to_dict() for change in changes], "unified": lines.splitlines()}


@command(policy_group, "rollback")
@click.option("--to", type=int, help="A version; otherwise the last one that said something else.")
@note_option
@confirm_option
def roll_back(to: int | None, note: str, confirm: str) -> Result:
    """Put an old version into force again, as a new version."""
    return applied(policies.roll_back(operator(), to, note, confirmation=confirm))


@policy_group.command("export")
@click.option("--version", type=int, help="An older version instead of the one in force.")
def export_policies(version: int | None) -> None:
    """Write the policies as a file for `policy apply`, on standard output."""
    try:
        click.echo(to_toml(policies.stored(version).document), nl=False)
    except IDProtectError as error:
        raise click.ClickException(str(error)) from None


@command(policy_group, "template")
@click.argument("kind", type=click.Choice(list(TEMPLATES)))
@click.option("--author", default="", help="A user name to leave out, so that a mistake cannot stop you.")
@click.option("--block", is_flag=True, help="Stop people instead of letting them recover.")
def add_template(kind: str, author: str, block: bool) -> Result:
    """Add one of the specification's policies, in report-only."""
    return applied(policies.add_template(kind, operator(), author, block=block))


@command(policy_group, "set-state")
@click.argument("name")
@click.argument("state", type=click.Choice([str(state) for state in PolicyState]))
@note_option
@confirm_option
def set_state(name: str, state: str, note: str, confirm: str) -> Result:
    """Turn one policy on or off, or put it on trial."""
    return applied(policies.set_state(name, PolicyState(state), operator(), note, confirmation=confirm))


@command(policy_group, "test")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--policies", "policy_file", type=click.Path(path_type=Path), help="A draft instead of those in force."
)
def run_policy_tests(file: Path | None, policy_file: Path | None) -> Result:
    """Compare example sign-ins with what is expected of them.

    Those of FILE; without one, those that are stored with the policies. A FILE that has policies is tested by itself.
    """
    given = read_toml(file) if file is not None else {}
    draft = read_toml(policy_file) if policy_file is not None else given if "policy" in given else None
    policy_set = parse_policies(draft) if draft is not None else policies.current()
    tests = parse_tests(given) if file is not None else policy_set.tests
    if failures := failed_tests(policy_set, tests):
        raise IDProtectError(f"{len(failures)} of {len(tests)} failed\n" + "\n".join(failures))
    return {"passed": len(tests)}


@command(policy_group, "emergency")
@click.argument("switch", type=click.Choice(["on", "off"]))
@click.option("--reason", required=True, help="For the audit log.")
def emergency(switch: str, reason: str) -> Result:
    """Let every policy count as report-only, or end that."""
    force = policies.set_emergency(switch == "on", operator(), reason)
    return {"version": force.version, "emergency": force.emergency}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raise IDProtectError with file and line when that is not possible."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise IDProtectError(f"{path}: {error}") from None


def read_text(path: Path) -> str:
    """Read a file; raise IDProtectError with its name when that is not possible."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise IDProtectError(f"{path}: {error}") from None


def applied(force: PolicySet) -> dict[str, Any]:
    """Return what is in force now."""
    return {
        "version": force.version,
        "policies": {policy.name: str(policy.state) for policy in force.policies},
        "emergency": force.emergency,
        "warnings": list(force.warnings),
    }


def _version(stored: PolicyVersion) -> dict[str, Any]:
    return {
        "version": stored.version,
        "applied_at": stored.applied_at.isoformat(),
        "applied_by": stored.applied_by,
        "note": stored.note,
        "emergency": stored.emergency,
    }


def _changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = differences.by_name(before, after)
    return [f"{change.kind} {change.name} {change.change}" for change in found]
