"""What the server remembers for a while; tokens and pending sign-ins have no place in a cookie."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class Memory:
    """Values that expire, in the memory of this process; when it is full the oldest goes."""

    def __init__(self, size: int = 2000) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._values: OrderedDict[str, tuple[float, Any]] = OrderedDict()

    def set(self, key: str, value: Any, seconds: float) -> None:
        """Remember `value` for so many seconds."""
        with self._lock:
            self._values.pop(key, None)
            self._values[key] = (time.monotonic() + seconds, value)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def get(self, key: str) -> Any:
        """Return the value, or none."""
        with self._lock:
            return self._fresh(self._values.get(key))

    def pop(self, key: str) -> Any:
        """Return the value, or none, and forget it: of two who ask at once, one gets it."""
        with self._lock:
            return self._fresh(self._values.pop(key, None))

    def delete(self, key: str) -> None:
        """Forget the value."""
        self.pop(key)

    def remove(self, is_meant: Callable[[Any], bool]) -> list[str]:
        """Forget the values that are meant; return their keys."""
        with self._lock:
            found = [key for key, (_, value) in self._values.items() if is_meant(value)]
            for key in found:
                del self._values[key]
            return found

    @staticmethod
    def _fresh(entry: tuple[float, Any] | None) -> Any:
        return entry[1] if entry and entry[0] > time.monotonic() else None
