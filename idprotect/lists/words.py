"""Choices that several lists offer: the words of risk, and how to ask for them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from idprotect.lists.listing import Filter, choice, equal
from idprotect.risk import RiskDetail, RiskLevel, RiskState
from idprotect.risk.levels import OPEN_STATES

AT_LEAST = {
    "low": "low or higher",
    "medium": "medium or higher",
    "high": "high",
}
YES_NO = {"yes": "yes", "no": "no"}


def said(word: str) -> str:
    """Return a stable name as words."""
    return word.replace("_", " ")


def labels(words: type[StrEnum]) -> Mapping[str, str]:
    """Return the words of a closed set, but for *none*."""
    return {str(word): said(word) for word in words if word != "none"}


def level(name: str, label: str, value: Any) -> Filter:
    """Let a level be chosen from which up rows are shown."""
    return choice(name, label, lambda text: value >= int(RiskLevel.parse(text)), AT_LEAST)


def state(value: Any) -> Filter:
    """Let a risk state be chosen, or all that are open."""
    opened = sorted(str(word) for word in OPEN_STATES)

    def condition(text: str) -> Any:
        return value.in_(opened) if text == "open" else value == text

    return choice("state", "State", condition, {"open": "open", **labels(RiskState)})


def detail(value: Any) -> Filter:
    """Let the way be chosen in which a state came about."""
    return choice("detail", "Detail", equal(value), labels(RiskDetail))


def yes_no(name: str, label: str, value: Any) -> Filter:
    """Let one of two be chosen."""
    return choice(name, label, lambda text: value if text == "yes" else ~value, YES_NO)
