"""docs/risk.md publishes the tables that the code carries out, row by row."""

import re
from pathlib import Path

from idprotect.risk import TRANSITIONS
from idprotect.risk.states import LOW_RISK_AGES_OUT_AFTER, TOKEN_RISK
from idprotect.risk.user_risk import USER_RISK_TABLE

PAGE = (Path(__file__).parents[2] / "docs" / "risk.md").read_text()


def table(first_column: str) -> list[list[str]]:
    """Return the rows of the table whose first column has this heading."""
    lines = PAGE.split(f"| {first_column} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_of_user_risk_is_the_code_s() -> None:
    """F029: published row by row, in the same order."""
    assert [tuple(row) for row in table("what is open")] == list(USER_RISK_TABLE)


def test_the_table_of_states_is_the_code_s() -> None:
    """2.2, F030: every event with everything that it does; none is missing, none is made up."""
    published = {}
    for event, *cells in table("event"):
        name = re.match(r"`(\w+)`", event)
        assert name is not None, event
        published[name.group(1)] = cells
    yes = {True: "yes", False: "no"}
    assert published == {
        str(event): [
            str(row.closes),
            str(row.to),
            str(row.detail),
            str(row.ends),
            ", ".join(sorted(row.keeps)) or "–",  # noqa: RUF001 (as in the page)
            yes[row.overrules],
            yes[row.reversible],
        ]
        for event, row in TRANSITIONS.items()
    }


def test_what_the_page_says_in_words_is_the_code_s() -> None:
    assert f"{LOW_RISK_AGES_OUT_AFTER.days} days at low" in PAGE
    assert "(" + ", ".join(f"`{name}`" for name in TOKEN_RISK) + ")" in PAGE
