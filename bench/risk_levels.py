"""Which signals give which level: every combination of up to three, judged by the code that judges sign-ins.

``python -m bench.risk_levels`` writes ``docs/risk-levels.md``; a test holds that it is up to date.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from pathlib import Path

from idprotect.risk import (
    Attempt,
    Browser,
    Detector,
    Kind,
    Learning,
    Location,
    Network,
    Profile,
    RiskLevel,
    Signals,
    assess,
)
from idprotect.risk.detections import DETECTIONS, SESSION_DETECTIONS
from idprotect.risk.detections.listed_ip import ListedIp
from idprotect.risk.population import TOTAL, Count, Key
from idprotect.risk.profile import DAY

PAGE = Path(__file__).parents[1] / "docs" / "risk-levels.md"
MOST_TOGETHER = 3

#: 2026-03-01 12:00 UTC.
AT = 1772366400.0
MINUTE = 60.0
OSLO, LONDON = Location("NO", "Oslo", 59.91, 10.75, 10), Location("GB", "London", 51.51, -0.13, 10)
HOME = Network("192.0.2.7", 64500, "Fjord", OSLO, anonymous=False, hosting=False, mobile=False)
CHROME = Browser("chrome 150 on windows", "Chrome", 150, "Windows", "desktop", hints=True)
COOKIE, SESSION = "the user's browser", "the user's session"


@dataclass
class Case:
    """One attempt, and what is known when it is judged; a signal changes it."""

    attempt: Attempt
    profile: Profile
    counts: dict[Key, Count] = field(default_factory=dict)

    def level(self, detectors: Sequence[Detector]) -> RiskLevel:
        """Return what the attempt is judged at."""
        return assess(Signals.of(self.attempt, self.profile, self.counts), detectors).level

    def comes(self, **changed: object) -> None:
        """Change the attempt."""
        self.attempt = replace(self.attempt, **changed)  # type: ignore[arg-type]

    def comes_from(self, **changed: object) -> None:
        """Change what is known of the address."""
        network = replace(self.attempt.network or HOME, **changed)  # type: ignore[arg-type]
        self.comes(network=network, site=network.site, block=network.block)


def usual(kind: Kind = Kind.PASSWORD) -> Case:
    """Return the everyday case: thirty sign-ins at noon, at home, in the same browser; an organisation of 200."""
    attempt = Attempt(
        AT, kind, "user", HOME, CHROME, HOME.site, HOME.block, "15.0", "", COOKIE, round_trip_ms=30, password_ok=True
    )  # fmt: skip
    profile = Profile()
    for days in range(30, 0, -1):
        profile.learn(replace(attempt, at=AT - days * DAY), Learning(), COOKIE, SESSION)
    if kind is Kind.SESSION:
        attempt = replace(attempt, session=SESSION, password_ok=None)
    everyone = Count(AT, ok=900, users=200, failed=60, accounts=40)
    home = {("country", "NO"): Count(AT, ok=900, users=190), ("asn", "64500"): Count(AT, ok=600, users=120)}
    return Case(attempt, profile, {TOTAL: everyone, **home})


def _nearby(case: Case) -> None:
    case.comes_from(address="192.0.2.99")


def _provider(case: Case) -> None:
    case.comes_from(address="198.51.100.9", asn=64511)


def _country(case: Case) -> None:
    case.comes_from(address="198.51.100.9", asn=64511, location=LONDON)


def _fast(case: Case) -> None:
    if case.profile.last is not None:
        case.profile.last.at = case.attempt.at - 15 * MINUTE
    for browser in (*case.profile.devices.values(), *case.profile.sessions.values()):
        browser.point.at = case.attempt.at - 15 * MINUTE


def _browser(case: Case) -> None:
    case.comes(browser=replace(CHROME, exact="firefox 140 on windows", family="Firefox", hints=False))
    case.comes(platform_version=None, model=None)


def _system(case: Case) -> None:
    case.comes(browser=replace(CHROME, exact="chrome 150 on linux", system="Linux"), platform_version="6.1")


def _program(case: Case) -> None:
    case.comes(browser=Browser("curl", "curl", 8, "", "tool"), platform_version=None, model=None)


def _wrong_here(case: Case) -> None:
    for number in range(5, 0, -1):
        case.profile.fail(replace(case.attempt, at=case.attempt.at - number * MINUTE))


def _wrong_elsewhere(case: Case) -> None:
    elsewhere = Network("203.0.113.1")
    for number in range(3, 0, -1):
        failed = replace(case.attempt, at=case.attempt.at - number * MINUTE, network=elsewhere)
        case.profile.fail(replace(failed, site=elsewhere.site, block=elsewhere.block))


def _spray(case: Case) -> None:
    case.counts["site", case.attempt.site] = Count(AT, failed=40, accounts=20, burst=40, burst_accounts=20)


def _learnt(case: Case) -> None:
    case.profile.restart(case.attempt.at - 15 * MINUTE)


#: In the order in which they are put together: what needs the time or the address comes after what changes it.
SIGNALS: Mapping[str, Callable[[Case], None]] = {
    "at midnight": lambda case: case.comes(at=AT + DAY / 2),
    "another address nearby": _nearby,
    "another provider in the country": _provider,
    "a new country": _country,
    "a quarter of an hour after the last one": _fast,
    "no cookie of ours": lambda case: case.comes(device=None),
    "another browser": _browser,
    "another operating system": _system,
    "a program, no browser": _program,
    "client hints gone": lambda case: case.comes(platform_version=None, model=None),
    "a data centre": lambda case: case.comes_from(hosting=True),
    "an anonymiser": lambda case: case.comes_from(anonymous=True),
    "on a list (low)": lambda case: case.comes_from(listings={"list": True}),
    "a mobile carrier": lambda case: case.comes_from(mobile=True),
    "five wrong passwords from there": _wrong_here,
    "three wrong passwords from elsewhere": _wrong_elsewhere,
    "twenty accounts fail from there": _spray,
    "ten times as slow": lambda case: case.comes(round_trip_ms=300),
    "the user is being learnt": _learnt,
}
#: Each changes what the other did, or is part of it.
NOT_TOGETHER = (
    {"another address nearby", "another provider in the country", "a new country"},
    {"another browser", "another operating system", "a program, no browser", "client hints gone"},
    {"a data centre", "a mobile carrier"},
)
#: Of a session nobody types a password, and habits do not matter.
ONLY_PASSWORDS = {
    "on a list (low)",
    "five wrong passwords from there",
    "three wrong passwords from elsewhere",
    "twenty accounts fail from there",
    "at midnight",
    "the user is being learnt",
}
Levels = Mapping[frozenset[str], RiskLevel]


def detectors(kind: Kind) -> tuple[Detector, ...]:
    """Return who is asked, with a list of the operator's."""
    asked = SESSION_DETECTIONS if kind is Kind.SESSION else DETECTIONS
    return tuple(ListedIp("list") if isinstance(detector, ListedIp) else detector for detector in asked)


@cache
def levels(kind: Kind) -> Levels:
    """Return the level of every combination of signals."""
    names = [name for name in SIGNALS if kind is Kind.PASSWORD or name not in ONLY_PASSWORDS]
    asked, found = detectors(kind), {}
    for size in range(MOST_TOGETHER + 1):
        for together in combinations(names, size):
            if any(len(group & set(together)) > 1 for group in NOT_TOGETHER):
                continue
            case = usual(kind)
            for name in together:
                SIGNALS[name](case)
            found[frozenset(together)] = case.level(asked)
    return found


def minimal(known: Levels, level: RiskLevel) -> list[frozenset[str]]:
    """Return the combinations that reach a level, and of which nothing can be left out."""
    return [
        together
        for together, reached in known.items()
        if reached == level and not any(known[together - {name}] >= level for name in together)
    ]


def page() -> str:
    """Return the page."""
    return "\n".join(
        [*_introduction(), *_section("Signing in", Kind.PASSWORD), *_section("A session", Kind.SESSION)]
    )


def _introduction() -> Iterable[str]:
    yield "# Which signals give which level"
    yield ""
    yield "Written by `python -m bench.risk_levels`, which lets the code judge every combination of up to"
    yield f"{MOST_TOGETHER} signals; do not edit. A test holds that it is up to date, that every level is reachable,"
    yield "and that no signal alone is high. The case that is changed: a user with thirty sign-ins at noon, at home,"
    yield "in one browser (which sends client hints), in an organisation of 200 users, no trusted location, default"
    yield "thresholds. What each piece of evidence weighs stands in `idprotect/risk/weights.py`."


def _section(title: str, kind: Kind) -> Iterable[str]:
    known = levels(kind)
    yield from ("", f"## {title}", "", "Each alone:", "", "| signal | level |", "|---|---|")
    yield from (f"| {next(iter(one))} | {known[one].label} |" for one in known if len(one) == 1)
    for level in (RiskLevel.LOW, RiskLevel.MEDIUM, RiskLevel.HIGH):
        found = minimal(known, level)
        yield from (
            "",
            f"### {level.label.capitalize()}",
            "",
            f"{len(found)} combinations, none of which can spare a signal:",
            "",
        )
        yield from (f"- {_words(together)}" for together in found)
    if kind is Kind.SESSION:
        yield ""


def _words(together: frozenset[str]) -> str:
    return " + ".join(name for name in SIGNALS if name in together)


if __name__ == "__main__":
    PAGE.write_text(page())
