"""How one set of data is doing, for the operator."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path


class State(StrEnum):
    """How the newest version of the data was found."""

    OK = "ok"
    MISSING = "missing"
    STALE = "stale"
    BROKEN = "broken"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Health:
    """What an operator needs to know of one set of data.

    :param entries: how many are in use; they may stem from an older version when `state` is not ok.
    :param loaded_at: when the data in use were read, or None when they are read anew at each question.
    :param modified_at: the date of the data in use, which `age_seconds` counts from.
    :param problems: sentences for people, such as "line 7: 10.0.0.0/8 is not public".
    :param kind: what the data are about: "city", "asn", "anonymous", "listed: low" and so on.
    """

    name: str
    path: Path
    state: State
    entries: int = 0
    loaded_at: datetime | None = None
    modified_at: datetime | None = None
    age_seconds: float | None = None
    problems: tuple[str, ...] = ()
    kind: str = ""
