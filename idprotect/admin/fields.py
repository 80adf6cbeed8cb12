"""Form fields whose data are the values of a policy document: lists of names, whole numbers, yes or no or neither."""

from collections.abc import Iterator
from typing import Any

from wtforms import SelectChoice, SelectField, StringField, TextAreaField


class LinesField(TextAreaField):  # type: ignore[misc]
    """A list of texts, one a line."""

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else "\n".join(self.data or [])

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take each line that says something, once."""
        self.data = list(dict.fromkeys(line for _, line in _numbered("".join(valuelist))))

    def numbered(self) -> Iterator[tuple[int, str]]:
        """Return each line that says something, with its number as it was typed."""
        return _numbered(self._value())


class WordsField(StringField):  # type: ignore[misc]
    """A list of words with spaces or commas between them."""

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else " ".join(self.data or [])

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take each word once."""
        self.data = list(dict.fromkeys("".join(valuelist).replace(",", " ").split()))


class CountriesField(WordsField):
    """A list of countries; how they are written does not matter."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take codes as capitals, and the word for an unknown country as it is."""
        super().process_formdata(valuelist)
        self.data = [word.upper() if len(word) == 2 else word.lower() for word in self.data]


class NumberField(StringField):  # type: ignore[misc]
    """A whole number; whatever else was typed stays as it is, to be refused where the number's rule stands."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Take a number, a text, or nothing."""
        text = "".join(valuelist).strip()
        self.data = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text or None

    def _value(self) -> str:
        return "" if self.data is None else str(self.data)


class TruthField(SelectField):  # type: ignore[misc]
    """Yes, no, or neither."""

    def __init__(self, label: str, *, neither: str, yes: str, no: str, **options: Any) -> None:
        choices = [SelectChoice("", neither), SelectChoice("yes", yes), SelectChoice("no", no)]
        super().__init__(label, choices=choices, coerce=_truth, **options)


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else {"yes": True, "no": False}.get(value)


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    lines = enumerate(text.splitlines(), 1)
    return ((number, line.strip()) for number, line in lines if line.strip())
