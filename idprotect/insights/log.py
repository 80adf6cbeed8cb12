"""A log of decisions: entries with their facts, one sign-in after the other, from wherever they were kept."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from idprotect.conditional_access import AccessRequest, Decision, PolicySet, Step, evaluate

#: The steps at which a person has to do something.
PROMPTS = frozenset(
    {Step.SIGN_IN, Step.MFA_REGISTRATION, Step.MFA, Step.PASSWORD_CHANGE, Step.RECOVERY, Step.TERMS_OF_USE}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision of a log.

    :param before: what was decided then, or would be by other policies.
    :param ip_address: where it came from, so that locations of a draft can be found; None: as the facts say.
    """

    request: AccessRequest
    before: Decision
    sign_in_id: str
    reference: str = ""
    ip_address: str | None = None

    def under(self, policies: PolicySet) -> Decision:
        """Return what *policies* decide about the same facts."""
        return decide(policies, self.request, self.ip_address)


def decide(policies: PolicySet, request: AccessRequest, ip_address: str | None = None) -> Decision:
    """Judge the facts of a log; only the named locations are the policies' own, where the address is known."""
    if ip_address is not None:
        request = replace(request, locations=policies.locations_of(ip_address, request.country))
    return evaluate(policies, request)


def of_requests(requests: Iterable[AccessRequest], before: PolicySet) -> Iterator[Entry]:
    """Make a log of access requests, each a sign-in of its own; *before* is what a draft is compared with."""
    for number, request in enumerate(requests, 1):
        yield Entry(request, evaluate(before, request), f"{number}")


def of_lines(lines: Iterable[str], before: PolicySet, problems: list[str]) -> Iterator[Entry]:
    """Read a log of JSON Lines: the facts of an access request, or an object with ``facts`` and what belongs to them.

    :param problems: what could not be read, with its line; the rest is not lost.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield _entry(json.loads(line), before, number)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            problems.append(f"line {number}: {type(error).__name__}: {error}")


def by_sign_in(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Put together what belongs to one sign-in; its entries have to follow one another."""
    for _, group in groupby(entries, key=lambda entry: entry.sign_in_id):
        yield list(group)


def _entry(row: Any, before: PolicySet, number: int) -> Entry:
    if not isinstance(row, dict):
        raise TypeError("not an object")
    facts = row.get("facts", row)
    beside = {} if facts is row else row
    request, address = AccessRequest.from_dict(facts), beside.get("ip_address")
    sign_in = str(beside.get("sign_in_id", f"line {number}"))
    return Entry(
        request, decide(before, request, address), sign_in, str(beside.get("reference", "")), address
    )
