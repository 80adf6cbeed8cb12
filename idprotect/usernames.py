"""One canonical user name for lookup, throttling, risk and audit, and a guard against look-alikes."""

import unicodedata

MAX_LENGTH = 256

# The letters of other scripts that are drawn like Latin ones; enough to refuse an impostor of an existing name.
_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһӏԛԝвкмнтгαορνικχυτρεηωβςɑɡıȷℓ",
    "aeopcyxijsdhlqwbkmhtraopvikxutpenwbcagijl",
)


class InvalidUsername(ValueError):
    """Not a name that can be used; the text says why."""


def canonical(username: str) -> str:
    """Return the form in which a user name is stored and compared: NFKC, case-folded, trimmed.

    :raises InvalidUsername: when it is empty, too long, or holds control or separator characters.
    """
    try:
        username.encode()
    except UnicodeEncodeError:
        raise InvalidUsername("a user name must be text") from None
    if len(username) > MAX_LENGTH:
        raise InvalidUsername(f"a user name has at most {MAX_LENGTH} characters")
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold()).strip()
    if not folded or len(folded) > MAX_LENGTH:
        raise InvalidUsername(f"a user name has 1 to {MAX_LENGTH} characters")
    if any(unicodedata.category(character)[0] in "CZ" for character in folded):
        raise InvalidUsername("a user name has no spaces and no control characters")
    return folded


def loose(username: str) -> str:
    """Return the form in which any name at all is counted, also one that could be made only in a host application."""
    try:
        return canonical(username)
    except InvalidUsername:
        printable = "".join(c if c.isprintable() else " " for c in username[:MAX_LENGTH])
        folded = unicodedata.normalize("NFKC", printable).casefold()
        return " ".join(folded.split())[:MAX_LENGTH]


def skeleton(username: str) -> str:
    """Return what a canonical name looks like; two names with one skeleton cannot both exist."""
    decomposed = unicodedata.normalize("NFKD", username.translate(_LOOK_ALIKES))
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    # Composed again: Korean syllables fall into three letters each, for which the column has no room.
    return unicodedata.normalize("NFC", bare).translate(_LOOK_ALIKES)
