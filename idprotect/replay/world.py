"""What a replay is judged by: data about addresses, detectors, rules of learning."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from idprotect.conditional_access import PolicySet
from idprotect.intelligence import Intelligence, State
from idprotect.intelligence.sources import ListSource, in_folder, levels
from idprotect.replay.problems import Problems
from idprotect.risk import Attempt, Detector, Learning
from idprotect.risk.detections import DETECTIONS, FAILURE_DETECTIONS, SESSION_DETECTIONS
from idprotect.risk.detections.listed_ip import ListedIp

#: The files of a log do not change while it is read.
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Files:
    """Where data about addresses are; None: there are none.

    :param lists: a folder of address lists.
    """

    city: str | None = None
    asn: str | None = None
    lists: str | None = None


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is not in the log.

    :param intelligence: None: only what the log itself says of addresses is known.
    :param policies: where trusted locations are named.
    """

    intelligence: Intelligence | None = None
    detections: Sequence[Detector] = DETECTIONS
    session_detections: Sequence[Detector] = SESSION_DETECTIONS
    failure_detections: Sequence[Detector] = FAILURE_DETECTIONS
    learning: Learning = Learning()  # noqa: RUF009
    policies: PolicySet = PolicySet(0)  # noqa: RUF009 (a frozen value)

    def trusted_location(self, attempt: Attempt) -> str | None:
        """Return the name of a trusted location that an attempt comes from."""
        return self.policies.trusted_location(attempt.network.address if attempt.network else None)

    def with_files(self, files: "Files", problems: Problems) -> "World":
        """Return the world with other data: what cannot be read is reported, and is not known then."""
        lists = files.lists
        if lists is not None and not Path(lists).is_dir():
            problems.report(f"{lists}: is no folder of address lists")
            lists = None
        sources = in_folder(lists) if lists is not None else ()
        intelligence = Intelligence(city=files.city, asn=files.asn, lists=sources, recheck_seconds=NEVER)
        _report(intelligence, problems)
        return replace(self, intelligence=intelligence, detections=with_lists(self.detections, sources))


def with_lists(detectors: Iterable[Detector], sources: Iterable[ListSource]) -> tuple[Detector, ...]:
    """Put one detector for each list that means nothing but its own level in the place of those of other lists."""
    found = list(detectors)
    places = [place for place, detector in enumerate(found) if isinstance(detector, ListedIp)]
    if not places:
        return tuple(found)  # switched off
    listed: list[Detector] = [ListedIp(name, level) for name, level in levels(sources).items()]
    rest = [detector for detector in found[places[0] :] if not isinstance(detector, ListedIp)]
    return (*found[: places[0]], *(listed or [ListedIp()]), *rest)


def _report(intelligence: Intelligence, problems: Problems) -> None:
    for file in intelligence.health():
        for problem in file.problems:
            problems.report(f"{file.path}: {problem}")
        if file.state is not State.OK and not file.problems:
            problems.report(f"{file.path}: {file.state}, so it is not evaluated")
