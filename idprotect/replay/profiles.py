"""The profiles of a replay: those in use as objects, the rest packed, some 600 bytes a user."""

from collections import OrderedDict

from idprotect.risk import Profile
from idprotect.risk.stored_profile import pack, unpack

#: Profiles in use, some ten kilobytes each: whoever comes again soon is not packed in between.
MOST_IN_USE = 1024


class Profiles:
    """The profile of every user, the least recently used packed away."""

    def __init__(self, most_in_use: int = MOST_IN_USE) -> None:
        self._most = most_in_use
        self._in_use: OrderedDict[str, Profile] = OrderedDict()
        self._packed: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._in_use) + len(self._packed)

    def of(self, user: str) -> Profile:
        """Return a user's profile, the very one: what it learns is kept."""
        if (profile := self._in_use.get(user)) is not None:
            self._in_use.move_to_end(user)
            return profile
        packed = self._packed.pop(user, None)
        profile = self._in_use[user] = unpack(packed) if packed is not None else Profile()
        if len(self._in_use) > self._most:
            coldest, cold = self._in_use.popitem(last=False)
            self._packed[coldest] = pack(cold)
        return profile
