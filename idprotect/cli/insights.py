"""Commands that say what policies would do before they do it: what-if, preview, replay, report."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from idprotect import clock, people, policies, receipts
from idprotect.cli.base import Result, command
from idprotect.cli.policies import policy_group, read_toml
from idprotect.conditional_access import AcceptedTerms, PolicySet, PolicyState, drafts, parse_policies
from idprotect.errors import IDProtectError
from idprotect.insights import log
from idprotect.insights.effect import Effect, effects
from idprotect.insights.impact import impact
from idprotect.insights.replay import Report, replay
from idprotect.insights.what_if import what_if
from idprotect.risk import RiskLevel

PREVIEWED = timedelta(days=30)
LEVELS = click.Choice([level.label for level in RiskLevel])
draft_option = click.option(
    "--policies", "draft_file", type=click.Path(path_type=Path), help="A draft instead of those in force."
)


class Since(click.ParamType):  # type: ignore[type-arg]
    """A date, a time, or days back like ``30d``."""

    name = "since"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Return the moment that was meant."""
        if value[-1:] == "d" and value[:-1].isdigit() and len(value) <= 5:
            return clock.now() - timedelta(days=int(value[:-1]))
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date, and no days back like 30d", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


since_option = click.option("--since", type=Since(), help="2026-01-31, or days back like 30d; otherwise all.")


@command(policy_group, "what-if")
@click.option(
    "--user", default="somebody", show_default=True, help="As things stand, or one that does not exist."
)
@click.option("--client", default=people.ACCOUNT, show_default=True)
@click.option("--scope", "scopes", multiple=True)
@click.option("--group", "groups", multiple=True, help="Instead of the user's.")
@click.option("--role", "roles", multiple=True, help="Instead of the user's.")
@click.option("--ip", "ip_address")
@click.option("--country")
@click.option("--platform")
@click.option("--known-device/--new-device", default=None)
@click.option("--sign-in-risk", type=LEVELS)
@click.option("--session-risk", type=LEVELS, help="How its session was used since.")
@click.option("--user-risk", type=LEVELS)
@click.option("--registered/--unregistered", default=None, help="Whether the user has a second factor.")
@click.option(
    "--proved", multiple=True, metavar="AMR", help="A second factor that was just proved: otp, sms, hwk."
)
@click.option("--accepted-terms", multiple=True, metavar="NAME", help="Instead of those that were accepted.")
@draft_option
def show_what_if(
    draft_file: Path | None, user: str, client: str, proved: tuple[str, ...], **given: Any
) -> Result:
    """Say what would come of an imagined sign-in: every policy, and every condition that does not hold."""
    policy_set = _draft(draft_file) or policies.current()
    request = people.imagined(policy_set, user, client, **_known(given))
    if proved:
        request = people.having_proved(request, proved)
    return {"version": policy_set.version or "draft"} | what_if(policy_set, request).to_dict()


@command(policy_group, "preview")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--turn-on", metavar="NAME", help="A policy that is in report-only or off, instead of a file.")
@click.option("--client", default=people.ACCOUNT, show_default=True, help="The application they sign in to.")
def preview(file: Path | None, turn_on: str | None, client: str) -> Result:
    """Say whom a draft would hit now, and which sign-ins of the last 30 days."""
    if (file is None) == (turn_on is None):
        raise IDProtectError("name either a file or --turn-on")
    turned_on = drafts.with_state(policies.document(), turn_on, PolicyState.ON) if turn_on else {}
    draft = parse_policies(read_toml(file) if file else turned_on)
    in_force = policies.current()
    hit = impact(in_force, draft, people.everybody(draft, client))
    entries = receipts.log(clock.now() - PREVIEWED, against=in_force)
    return {"now": hit.to_dict(), "last_30_days": Report.of(replay(draft, entries)).to_dict()}


@command(policy_group, "replay")
@click.argument("file", type=click.Path(path_type=Path))
@since_option
@click.option(
    "--against-current", is_flag=True, help="Compare with the policies in force now, not with those of then."
)
@click.option(
    "--log", "log_file", type=click.File("r", encoding="utf-8"), help="JSON Lines instead of the stored log."
)
@click.option("--most", default=50, show_default=True, help="How many sign-ins and users to list.")
def replay_draft(
    file: Path, since: datetime | None, against_current: bool, log_file: Any, most: int
) -> Result:
    """Say which sign-ins a draft would have changed, for whom, and how often people would be asked for something."""
    draft = parse_policies(read_toml(file))
    problems: list[str] = []
    entries: Iterator[log.Entry]
    if log_file is not None:
        entries = log.of_lines(log_file, policies.current(), problems)
    else:
        entries = receipts.log(since, against=policies.current() if against_current else None)
    report = Report.of(replay(draft, entries), most).to_dict()
    return report | ({"problems": problems} if problems else {})


@command(policy_group, "report")
@since_option
def report_on_trials(since: datetime | None) -> Result:
    """Say what the policies in report-only would have done, in the four outcomes, by sign-in."""
    on_trial = {p.name for p in policies.current().policies if p.state is PolicyState.REPORT_ONLY}
    counted = effects(receipts.log(since))
    return [
        {"policy": name, "on_trial": name in on_trial} | {str(effect): counts[effect] for effect in Effect}
        for name, counts in sorted(counted.items())
    ]


def _draft(file: Path | None) -> PolicySet | None:
    return parse_policies(read_toml(file)) if file is not None else None


_FROM_TEXT: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("sign_in_risk", "session_risk", "user_risk"), RiskLevel.parse),
    **dict.fromkeys(("scopes", "groups", "roles"), frozenset),
    "accepted_terms": lambda names: tuple(map(AcceptedTerms, names)),
}


def _known(given: dict[str, Any]) -> dict[str, Any]:
    """Return the facts that were named; what was left out is as things stand."""
    return {
        name: _FROM_TEXT.get(name, lambda text: text)(value)
        for name, value in given.items()
        if value is not None and value != ()
    }
