"""A form of a page as a browser would send it: texts, chosen options, ticked boxes."""

from html.parser import HTMLParser
from typing import Any

Values = dict[str, Any]


class FilledForm(HTMLParser):
    """The form of a page that has a field; ``values`` are what its browser would send, lists where a name stands twice."""

    def __init__(self, page: str, field: str) -> None:
        super().__init__()
        self._forms: list[tuple[str, list[tuple[str, str]]]] = []
        self._text: tuple[str, list[str]] | None = None
        self._select: list[Any] = []
        self.feed(page)
        self.action, pairs = next(form for form in self._forms if any(name == field for name, _ in form[1]))
        self.values: Values = {}
        for name, value in pairs:
            if value is not None:
                known = self.values.get(name)
                self.values[name] = (
                    value if known is None else [*([known] if isinstance(known, str) else known), value]
                )

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a field."""
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "form":
            self._forms.append((given.get("action") or "", []))
        elif not self._forms:
            return
        elif tag == "input" and name:
            can_be_ticked = given.get("type") in ("checkbox", "radio")
            is_sent = not can_be_ticked or "checked" in given
            self._add(name, given.get("value") or "" if is_sent else None)
        elif tag == "textarea":
            self._text = (name, [])
        elif tag == "select":
            self._select = [name, None]
        elif tag == "option" and (self._select[1] is None or "selected" in given):
            self._select[1] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        """Take the words of a text field."""
        if self._text is not None:
            self._text[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        """Add what is complete."""
        if tag == "textarea" and self._text is not None:
            name, words = self._text
            self._add(name, "".join(words).removeprefix("\r\n").removeprefix("\n"))
            self._text = None
        elif tag == "select" and self._forms:
            self._add(*self._select)

    def _add(self, name: str, value: str | None) -> None:
        self._forms[-1][1].append((name, value))  # type: ignore[arg-type]
