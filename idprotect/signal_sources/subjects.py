"""Whom a security event is about: its subject identifier (RFC 9493) as one of our users, or nobody.

Each source has the kinds that are believed of it. Whoever is named in two ways has to be the same person by both;
and an address that two people have, or that was never verified, is nobody's.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select

from idprotect.models import SignalSource, SignalSubject, User, session
from idprotect.runtime import runtime, settings

ISS_SUB, EMAIL, PHONE, OURS = "iss_sub", "email", "phone_number", "ours"
#: Kinds of names, and what they are for administrators.
KINDS: Mapping[str, str] = {
    ISS_SUB: "the source’s own sub, as it was mapped to people here",
    EMAIL: "a mail address that was verified here and is one person’s alone",
    PHONE: "a telephone number that was verified here and is one person’s alone",
    OURS: "our own sub (iss_sub of this issuer, opaque, account)",
}
LONGEST = 320
#: Of one identifier that lists others.
MOST_ALIASES = 10
#: So many people with one address are looked at.
MOST_PEOPLE = 10


def find(source: SignalSource, subject: Mapping[str, Any]) -> User | None:
    """Return whom a source means, None when it is nobody of ours, or not one person for sure."""
    found = {
        user.id: user for user in (_find(source, one) for one in _identifiers(subject)) if user is not None
    }
    return next(iter(found.values())) if len(found) == 1 else None


def _identifiers(subject: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the simple identifiers of a person: of a complex one (SSF 1.0 section 3.2) the user's."""
    form = _format(subject)
    if form == "complex" or (not form and "user" in subject):
        user = subject.get("user")
        return _identifiers(user) if isinstance(user, dict) and _format(user) != "complex" else []
    if form == "aliases":
        listed = subject.get("identifiers")
        several = listed[:MOST_ALIASES] if isinstance(listed, list) else []
        return [
            one for one in several if isinstance(one, dict) and _format(one) not in ("aliases", "complex")
        ]
    return [subject]


def _format(subject: Mapping[str, Any]) -> str:
    """Return the format; drafts of RFC 9493, which some still follow, called it ``subject_type``."""
    form = subject.get("format", subject.get("subject_type", ""))
    return form.replace("-", "_") if isinstance(form, str) else "?"


def _find(source: SignalSource, subject: Mapping[str, Any]) -> User | None:
    look = _BY_FORMAT.get(_format(subject))
    user = look(source, subject) if look is not None else None
    return user if user is not None and not user.simulated else None


def _by_iss_sub(source: SignalSource, subject: Mapping[str, Any]) -> User | None:
    issuer, sub = subject.get("iss"), _text(subject, "sub")
    if issuer == settings().issuer:
        return _by_our_sub(source, sub)
    if issuer != source.issuer or ISS_SUB not in source.subjects or not sub:
        return None
    mapped = session().get(SignalSubject, (source.id, sub))
    return session().get(User, mapped.user_id) if mapped is not None else None


def _by_opaque(source: SignalSource, subject: Mapping[str, Any]) -> User | None:
    return _by_our_sub(source, _text(subject, "id"))


def _by_account(source: SignalSource, subject: Mapping[str, Any]) -> User | None:
    """Look for ``acct:SUB@HOST`` (RFC 7565) at our own host."""
    sub, _, host = _text(subject, "uri").removeprefix("acct:").rpartition("@")
    return _by_our_sub(source, sub) if host and host == urlsplit(settings().issuer).netloc else None


def _by_our_sub(source: SignalSource, sub: str) -> User | None:
    return session().get(User, sub) if sub and OURS in source.subjects else None


def _by_email(source: SignalSource, subject: Mapping[str, Any]) -> User | None:
    address = _text(subject, "email")
    if EMAIL not in source.subjects or "@" not in address:
        return None
    canonical = _canonical(address)
    having = select(User).where(func.lower(User.email) == canonical, ~User.simulated).limit(MOST_PEOPLE)

    def is_theirs(claims: Mapping[str, Any]) -> bool:
        return claims.get("email_verified") is True and _canonical(str(claims.get("email"))) == canonical

    return _only(having, is_theirs)


def _by_phone_number(source: SignalSource, subject: Mapping[str, Any]) -> User | None:
    number = _text(subject, "phone_number")
    if PHONE not in source.subjects or not number.startswith("+"):
        return None
    having = select(User).where(User.claims["phone_number"].as_string() == number, ~User.simulated)

    def is_theirs(claims: Mapping[str, Any]) -> bool:
        return claims.get("phone_number_verified") is True and claims.get("phone_number") == number

    return _only(having.limit(MOST_PEOPLE), is_theirs)


def _only(having: Any, is_theirs: Callable[[Mapping[str, Any]], bool]) -> User | None:
    """Return the one person whose verified claim it is, None when there are two."""
    people = session().scalars(having).all()
    found = [user for user in people if is_theirs(runtime().directory.claims(user))]
    return found[0] if len(found) == 1 and len(people) < MOST_PEOPLE else None


def _canonical(address: str) -> str:
    """Return a mail address as it is compared (RFC 9493 section 3.2.3.1); beyond ASCII only as it is written."""
    return address.lower() if address.isascii() else address


def _text(subject: Mapping[str, Any], name: str) -> str:
    value = subject.get(name)
    return value if isinstance(value, str) and value.isprintable() and len(value) <= LONGEST else ""


_BY_FORMAT: Mapping[str, Callable[[SignalSource, Mapping[str, Any]], User | None]] = {
    "iss_sub": _by_iss_sub,
    "email": _by_email,
    "phone_number": _by_phone_number,
    "opaque": _by_opaque,
    "account": _by_account,
}
