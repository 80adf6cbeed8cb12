"""Terms of use for the tests, policies that ask for them, and what was accepted."""

from typing import Any

from idprotect import acceptances, terms
from idprotect.models import AuditEvent, User, session
from tests.support.world import World

TEXT = """# What this is

You may use the notes as long as you keep to these rules.
They are short.

## Rules

- Be kind.
- Keep <script>alert("your password")</script> to yourself.

Ask the help desk when in doubt.
"""
POLICY = """
[[policy]]
name = "house-rules"
state = "on"
then = { terms_of_use = ["rules"] }
"""
BOUND = POLICY.replace("then", 'who = { groups = ["bound"] }\nthen')
LOW_RISK = POLICY.replace("then", 'when = { sign_in_risk = ["low"] }\nthen')


def make_terms(world: World, name: str = "rules", text: str = TEXT, **more: Any) -> None:
    """Make terms of use."""
    with world.arranging():
        terms.create(name, f"The {name} of the house", text, "test", **more)


def publish(
    world: World, text: str = "# New\nThe rules have changed.", name: str = "rules", **more: Any
) -> None:
    """Publish a new version."""
    with world.arranging():
        newest = terms.version(name)
        terms.publish(name, newest.title, text, "test", based_on=newest.version, **more)


def accepted(world: World, username: str = "ada") -> list[tuple[str, int]]:
    """Return the terms and versions that somebody accepted, the first first."""

    def look(user: User) -> list[tuple[str, int]]:
        return [(row.terms, row.version) for row, _ in reversed(acceptances.of(user.id))]

    found: list[tuple[str, int]] = world.read(look, username)
    return found


def events(world: World, name: str) -> list[dict[str, Any]]:
    """Return the details of the events of a name in the audit log."""
    with world.arranging():
        return [
            row.details for row in session().query(AuditEvent).filter_by(name=name).order_by(AuditEvent.id)
        ]
