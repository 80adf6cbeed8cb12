"""The little markup of texts that administrators write for people: headings, lists, paragraphs. Pure.

A text becomes blocks of plain text, which a template puts into elements: nothing of it is ever markup of a page.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Block:
    """A part of a text.

    :param kind: ``heading``, ``subheading``, ``list`` or ``paragraph``.
    :param texts: the items of a list; anything else has one.
    """

    kind: str
    texts: list[str]


#: What a line begins with, and what it is then.
_MARKS = (("## ", "subheading"), ("# ", "heading"), ("- ", "list"))


def blocks(text: str) -> list[Block]:
    """Return the parts of a text.

    Lines that follow one another are one paragraph; one that is indented goes on with the item of a list above it.
    """
    found: list[Block] = []
    is_open = False
    for line in text.splitlines():
        kind, words = _read(line)
        above = found[-1] if is_open else None
        if above is not None and kind == "list" == above.kind:
            above.texts.append(words)
        elif above is not None and kind == "paragraph" and _goes_on(above, line):
            above.texts[-1] += f" {words}"
        elif kind:
            found.append(Block(kind, [words]))
        is_open = bool(kind)
    return found


def _read(line: str) -> tuple[str, str]:
    """Return the kind of a line and its words; an empty one has neither."""
    stripped = line.strip()
    for mark, kind in _MARKS:
        if stripped.startswith(mark):
            return kind, stripped.removeprefix(mark).strip()
    return ("paragraph" if stripped else "", stripped)


def _goes_on(above: Block, line: str) -> bool:
    return above.kind == "paragraph" or (above.kind == "list" and line[0].isspace())
