"""docs/risk-levels.md: which signals give which level."""

import pytest

from bench.risk_levels import PAGE, SIGNALS, levels, minimal, page, usual
from idprotect.risk import Kind, RiskLevel

KINDS = pytest.mark.parametrize("kind", Kind)


def test_the_page_is_up_to_date() -> None:
    """D09: ``python -m bench.risk_levels`` writes it."""
    assert PAGE.read_text() == page()


@KINDS
def test_every_level_is_reachable(kind: Kind) -> None:
    """D09: at a sign-in and of a session, by three signals at most."""
    assert {level for level in RiskLevel if minimal(levels(kind), level)} == set(RiskLevel)


@KINDS
def test_no_signal_alone_is_high(kind: Kind) -> None:
    """D09: one weak signal never blocks."""
    known = levels(kind)
    alone = {next(iter(one)): known[one] for one in known if len(one) == 1}
    assert not known[frozenset()]
    assert max(alone.values()) <= RiskLevel.MEDIUM
    # What an administrator's policy for medium asks a second factor for is a rule of the product, not a weight.
    assert {name for name, level in alone.items() if level is RiskLevel.MEDIUM} <= {"a new country"}


@KINDS
def test_every_signal_is_part_of_some_combination_or_lowers_one(kind: Kind) -> None:
    """A signal that changes nothing anywhere would be none."""
    known = levels(kind)
    for name in {name for together in known for name in together}:
        changed = [known[t] != known[t - {name}] for t in known if name in t]
        assert any(changed), name


def test_a_signal_changes_the_case_it_is_given_and_no_other() -> None:
    for change in SIGNALS.values():
        changed, untouched = usual(), usual()
        change(changed)
        assert changed != untouched
        assert usual() == untouched
