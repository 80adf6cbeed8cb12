"""Commands about policies: apply, show, test, emergency."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from idprotect import policies
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.conditional_access import AccessRequest, evaluate, parse_policies
from idprotect.errors import IDProtectError, NotFound
from idprotect.models import PolicyVersion, session

policy_group = AppGroup("policy", help="Conditional access policies.")
idprotect.add_command(policy_group)


@command(policy_group, "apply")
@click.argument("file", type=click.Path(path_type=Path))
def apply_policies(file: Path) -> Result:
    """Put the policies of a TOML file into force, as a new version."""
    applied = policies.apply(read_toml(file), operator())
    return {
        "version": applied.version,
        "policies": {policy.name: str(policy.state) for policy in applied.policies},
        "warnings": list(applied.warnings),
    }


@command(policy_group, "show")
@click.option("--version", type=int, help="An older version instead of the one in force.")
def show_policies(version: int | None) -> Result:
    """Show the policies in force."""
    stored = session().get(PolicyVersion, version or policies.newest_version())
    if stored is None:
        raise NotFound(
            "no policies were applied yet" if version is None else f"there is no version {version}"
        )
    return {
        "version": stored.version,
        "applied_at": stored.applied_at.isoformat(),
        "applied_by": stored.applied_by,
        "emergency": stored.emergency,
        **stored.document,
    }


@command(policy_group, "test")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--policies", "policy_file", type=click.Path(path_type=Path), help="A draft instead of those in force."
)
def run_policy_tests(file: Path, policy_file: Path | None) -> Result:
    """Compare the outcome of example sign-ins with what is expected of them."""
    policy_set = parse_policies(read_toml(policy_file)) if policy_file else policies.current()
    failures = []
    examples = read_toml(file).get("test", [])
    for example in examples:
        decision = evaluate(policy_set, example_facts(example.get("facts", {})))
        if decision.outcome != example.get("expect"):
            failures.append(
                f"{example.get('name')}: expected {example.get('expect')}, got {decision.outcome}"
            )
    if failures:
        raise IDProtectError(f"{len(failures)} of {len(examples)} failed\n" + "\n".join(failures))
    return {"passed": len(examples)}


@command(policy_group, "emergency")
@click.argument("switch", type=click.Choice(["on", "off"]))
def emergency(switch: str) -> Result:
    """Let every policy count as report-only, or end that."""
    applied = policies.set_emergency(switch == "on", operator())
    return {"version": applied.version, "emergency": applied.emergency}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raise IDProtectError with file and line when that is not possible."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise IDProtectError(f"{path}: {error}") from None


def example_facts(given: Mapping[str, Any]) -> AccessRequest:
    """Return the facts of an example, with harmless values for what it leaves out."""
    at = "2026-01-01T12:00:00+00:00"
    harmless = {
        "at": at,
        "signed_in_at": at,
        "user_id": "example",
        "username": "example",
        "client_id": "example",
    }
    risk_at = {"user_risk_at": at} if "user_risk" in given else {}
    try:
        return AccessRequest.from_dict({**harmless, **risk_at, **given})
    except (TypeError, ValueError) as error:
        raise IDProtectError(f"an example's facts are not valid: {error}") from None
