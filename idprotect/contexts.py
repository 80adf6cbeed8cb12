"""The ladder of authentication contexts (``acr``): a higher one includes the lower."""

#: ``aal1``: a password. ``aal2``: a second factor as well.
LADDER = ("aal1", "aal2")


def reaches(acr: str | None, wanted: str) -> bool:
    """Whether a sign-in of context *acr* is good enough where *wanted* is asked for.

    Contexts that are not on the ladder are another server's, and as good as they are equal.
    """
    if acr in LADDER and wanted in LADDER:
        return LADDER.index(acr) >= LADDER.index(wanted)
    return acr == wanted
