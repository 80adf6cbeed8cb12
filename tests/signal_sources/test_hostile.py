"""Whatever a source signs, and whatever anybody sends: a clear answer, never an error of ours, never half of it."""

import json
from base64 import urlsafe_b64encode
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idprotect.risk.detections.shared_signal import RULES
from idprotect.testing import Provider, running
from tests.signal_sources.conftest import Listen, Source, detections_of, ours, risk_of

TEXT = st.text(max_size=20) | st.sampled_from(
    ["", "\0", "\ud800", "a" * 300, "HIGH", "high", "admin", "None"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
FORMATS = st.sampled_from(
    ["iss_sub", "email", "phone_number", "opaque", "account", "aliases", "complex", "x"]
)
NAMES = st.sampled_from(["iss", "sub", "email", "phone_number", "id", "uri", "identifiers", "user", "format"])
SUBJECTS = st.builds(
    lambda form, rest: {"format": form, **rest}, FORMATS, st.dictionaries(NAMES, JSON, max_size=4)
)
TYPES = st.sampled_from([*RULES, "https://schemas.openid.net/secevent/ssf/event-type/verification"]) | TEXT
MEMBERS = st.sampled_from(
    [
        "principal",
        "current_level",
        "reason",
        "reason_admin",
        "initiating_entity",
        "change_direction",
        "state",
        "status",
    ]
)
EVENTS = st.dictionaries(TYPES, st.dictionaries(MEMBERS, JSON, max_size=4) | JSON, max_size=3)
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "sub_id": SUBJECTS | JSON,
        "events": EVENTS | JSON,
        "jti": TEXT,
        "iat": JSON,
        "aud": JSON,
        "txn": JSON,
        "toe": JSON,
        "sub": JSON,
    },
)
SETTINGS = settings(max_examples=150, suppress_health_check=list(HealthCheck))


def encoded(value: Any) -> str:
    """Return a part of a token, whatever is in it: JSON as Python writes it has NaN, too."""
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def sign(source: Source, claims: dict[str, Any]) -> str:
    """Sign whatever it is, past the library that would look at it first."""
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    header = encoded({"alg": "RS256", "kid": "one", "typ": "secevent+jwt"})
    signed = f"{header}.{encoded(claims)}"
    private: Any = source.transmitter.key.private_key
    signature = private.sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_no_signed_event_breaks_anything(provider: Provider, source: Source) -> None:
    """C020, section 9: 202 or 400, with a person who is ours and with anything else."""
    ada = provider.person()
    tell_anything(source, ours(provider, ada))


def test_no_signed_event_breaks_anything_on_postgresql(listen: Listen, postgres_url: str) -> None:
    """C020, section 9: the same where text and JSON are other kinds."""
    with running(IDPROTECT_DATABASE_URL=postgres_url) as provider:
        tell_anything(listen(provider), ours(provider, provider.person()))


def tell_anything(source: Source, somebody: dict[str, Any]) -> None:
    """Let a source tell whatever it likes."""

    @given(CLAIMS, st.booleans())
    @SETTINGS
    def tell(changed: dict[str, Any], is_ours: bool) -> None:
        claims = {**source.transmitter.claims(somebody), **changed}
        if is_ours:
            claims["sub_id"] = somebody
        answer = source.push(sign(source, claims))
        assert answer.status_code in (202, 400), (answer.status_code, claims)
        if answer.status_code == 400:
            assert set(answer.json()) == {"err", "description"}

    tell()


def test_no_body_breaks_anything(source: Source) -> None:
    """C020, section 9: bytes, headers, addresses."""

    @given(st.binary(max_size=200), st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=30))
    @SETTINGS
    def send(body: bytes, word: str) -> None:
        for headers in ({}, {"Authorization": f"Bearer {word}"}, {"Content_Type": word}):
            encoded_headers: dict[str, Any] = {
                name: value.encode("latin-1") for name, value in headers.items()
            }
            assert source.push(body, **encoded_headers).status_code == 400

    send()
    assert source.outcomes() == {}


def test_nothing_but_the_table_raises(provider: Provider, source: Source) -> None:
    """C020: of all that was told above at random, what is open is in the table, at most at the cap."""
    ada = provider.person()
    for event_type in ("", "https://schemas.openid.net/secevent/caep/event-type/", "risk-level-change"):
        claims = source.transmitter.claims(ours(provider, ada), event_type or "x")
        source.push(source.transmitter.sign(claims))
    assert detections_of(ada) == []
    assert risk_of(ada) == "none"
