"""What the operator's address lists mean, told in a setting or by their names in a folder."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from idprotect.errors import ConfigurationError
from idprotect.risk.levels import RiskLevel


class Meaning(StrEnum):
    """What being on a list says of an address."""

    ANONYMOUS = "anonymous"
    HOSTING = "hosting"
    MOBILE = "mobile"
    #: Nothing but that somebody lists it, at a risk level of the list's own.
    LISTED = "listed"


@dataclass(frozen=True, slots=True)
class ListSource:
    """One address list.

    :param level: how risky a listing is, where that is all it means.
    """

    name: str
    path: Path
    meaning: Meaning
    level: RiskLevel = RiskLevel.LOW

    @property
    def kind(self) -> str:
        """The meaning in words."""
        return f"{self.meaning}: {self.level.label}" if self.meaning is Meaning.LISTED else str(self.meaning)

    @property
    def setting(self) -> str:
        """The list as it is written in the setting."""
        word = self.level.label if self.meaning is Meaning.LISTED else self.meaning
        return f"{self.name}={self.path}@{word}"


SETTING = "IDPROTECT_ADDRESS_LISTS"
FACTS = {str(meaning): meaning for meaning in Meaning if meaning is not Meaning.LISTED}
LEVELS = {level.label: level for level in RiskLevel if level is not RiskLevel.NONE}

#: What the files in a folder of lists mean; every other one is a listing.
NAMES_IN_FOLDER: Mapping[str, Meaning] = {
    "tor_exits": Meaning.ANONYMOUS,
    "anonymous_proxies": Meaning.ANONYMOUS,
    "hosting_ranges": Meaning.HOSTING,
    "hosting_asns": Meaning.HOSTING,
    "mobile_asns": Meaning.MOBILE,
}


def from_setting(lists: Mapping[str, str]) -> tuple[ListSource, ...]:
    """Read ``name=path`` and ``name=path@meaning``; without a meaning, the name may be one.

    :raises ConfigurationError: a name or path is empty, or what follows the last ``@`` is neither meaning nor level.
    """
    return tuple(_source(name, text) for name, text in lists.items())


def _source(name: str, text: str) -> ListSource:
    path, at, word = text.rpartition("@")
    if not at:
        path, word = text, name if name in FACTS else RiskLevel.LOW.label
    if not name or not path:
        raise ConfigurationError(f"{SETTING}: {name}={text} has no name or no path")
    if word in FACTS:
        return ListSource(name, Path(path), FACTS[word])
    if word in LEVELS:
        return ListSource(name, Path(path), Meaning.LISTED, LEVELS[word])
    choices = ", ".join((*FACTS, *LEVELS))
    raise ConfigurationError(f"{SETTING}: {name}: {word!r}, which follows the last @, is none of {choices}")


def in_folder(folder: str | Path) -> tuple[ListSource, ...]:
    """Return the lists that are in a folder, ``<name>.txt`` each."""
    return tuple(
        ListSource(path.stem, path, NAMES_IN_FOLDER.get(path.stem, Meaning.LISTED))
        for path in sorted(Path(folder).glob("*.txt"))
    )


def levels(sources: Iterable[ListSource]) -> dict[str, RiskLevel]:
    """Return the risk level of each list that means nothing else."""
    return {source.name: source.level for source in sources if source.meaning is Meaning.LISTED}
