"""A log as lines: plain or gzip, each a JSON object. What is none is reported, and the next line is read."""

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from idprotect.replay.problems import Problems

LONGEST_LINE = 64 * 1024
GZIP = b"\x1f\x8b"


def open_log(path: str) -> BinaryIO:
    """Open a file; gzip is known by its first bytes, whatever it is called."""
    file = open(path, "rb")  # noqa: SIM115 (the caller closes it)
    is_gzip = file.read(len(GZIP)) == GZIP
    file.seek(0)
    return cast(BinaryIO, gzip.open(file)) if is_gzip else file


def objects(stream: BinaryIO, problems: Problems) -> Iterator[dict[str, Any]]:
    """Yield the objects of a log, one a line; *problems* knows the number of the line."""
    for line in _lines(stream, problems):
        problems.line += 1
        if len(line) > LONGEST_LINE:
            problems.complain(f"longer than {LONGEST_LINE} bytes")
        elif line.strip() and (found := _object(line, problems)) is not None:
            yield found


def _lines(stream: BinaryIO, problems: Problems) -> Iterator[bytes]:
    """Yield the lines, long ones cut; a file that breaks off is reported, and what came before is not lost."""
    try:
        while line := stream.readline(LONGEST_LINE + 1):
            yield line
            while len(line) > LONGEST_LINE and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE + 1)
    except (EOFError, OSError, zlib.error) as error:
        problems.report(f"after line {problems.line}: the log cannot be read on: {error}")


def _object(line: bytes, problems: Problems) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        problems.complain(f"not UTF-8 at byte {error.start}")
        return None
    except (ValueError, RecursionError) as error:
        problems.complain(f"not JSON: {error}")
        return None
    if not isinstance(found, dict):
        problems.complain("not a JSON object")
        return None
    return found
