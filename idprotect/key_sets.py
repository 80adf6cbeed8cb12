"""Public keys of applications (RFC 7517): which of them may verify something here."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

MAX_KEYS = 20
#: Shorter ones are weak, longer ones let others spend our time.
RSA_BITS = range(2048, 8193)
CURVES = ("P-256", "P-384", "P-521", "Ed25519")
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


def load(document: Any) -> KeySet:
    """Return the keys of a JWK set that sign; one of a kind that is unknown is passed over (section 5).

    :raises ValueError: with the reason, when there is none, or one that must not be there.
    """
    if "\\u" in json.dumps(document, allow_nan=False):
        raise ValueError("a key set is plain ASCII")
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or not 0 < len(members) <= MAX_KEYS:
        raise ValueError(f"a key set has between 1 and {MAX_KEYS} keys")
    keys = [key for member in members if (key := _load(member)) is not None]
    if not keys:
        raise ValueError("no key of the set can verify a signature")
    return KeySet(list(keys))


def _load(member: Any) -> RSAKey | ECKey | OKPKey | None:
    if not isinstance(member, dict):
        raise ValueError("a key is a JSON object")
    if PRIVATE & member.keys():
        raise ValueError("a key has a private part, which belongs to the application alone")
    kinds: dict[str, Any] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    kind = kinds.get(str(member.get("kty")))
    if kind is None or member.get("use", "sig") != "sig" or member.get("crv", "P-256") not in CURVES:
        return None
    try:
        key: RSAKey | ECKey | OKPKey = kind.import_key(member)
        public = key.public_key
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ValueError("a key cannot be read") from error
    if isinstance(public, RSAPublicKey) and public.key_size not in RSA_BITS:
        raise ValueError(f"an RSA key has between {RSA_BITS[0]} and {RSA_BITS[-1]} bits")
    return key
