"""What was wrong with a log: each problem with its line, said at once, and counted."""

from typing import TextIO


class Problems:
    """Tells people what could not be used.

    :param file: where to, such as standard error.
    """

    #: So many kinds of problem are said only once; a log of rubbish must not fill the memory.
    MOST_ONCE = 1000

    def __init__(self, file: TextIO) -> None:
        self.count = 0
        self.line = 0
        self._file = file
        self._said: set[str] = set()

    def complain(self, reason: str) -> None:
        """Report a problem of the current line."""
        self.report(f"line {self.line}: {reason}")

    def complain_once(self, reason: str) -> None:
        """Report what is wrong with many lines at the first of them."""
        if reason not in self._said and len(self._said) < self.MOST_ONCE:
            self._said.add(reason)
            self.complain(f"{reason} (said once)")

    def report(self, text: str) -> None:
        """Report a problem that is not of a line."""
        self.count += 1
        print(text, file=self._file, flush=True)
