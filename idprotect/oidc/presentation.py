"""How a request presents an access token (RFC 6750 section 2, RFC 9449 section 7.1), and how a bad one is refused."""

from dataclasses import dataclass

from flask import Request

from idprotect.keys import ALGORITHMS
from idprotect.oidc import dpop
from idprotect.runtime import settings

_SCHEMES = {"bearer": "Bearer", "dpop": "DPoP"}


@dataclass(frozen=True, slots=True)
class Presentation:
    """An access token as a request brings it.

    :param scheme: ``Bearer`` or ``DPoP``.
    :param value: None where none came, or by another scheme.
    """

    request: Request
    scheme: str
    value: str | None

    def proves(self, jkt: str | None) -> bool:
        """Whether the request may use the token: with the key that it is bound to, or else as a bearer. Commits.

        :param jkt: thumbprint of that key; None: the token is bound to none.
        :raises InvalidDpopProof: for a proof that is missing, or not good.
        """
        if self.scheme == "Bearer":
            return jkt is None
        path = self.request.path.removeprefix(settings().url_prefix)
        proofs = self.request.headers.getlist("DPoP")
        return dpop.check(proofs, self.request.method, path, self.value) == jkt

    def challenge(self, **said: str) -> str:
        """Return the header ``WWW-Authenticate`` of a refusal (RFC 6750 section 3, RFC 9449 section 7.1)."""
        if self.scheme == "DPoP":
            said |= {"algs": " ".join(ALGORITHMS)}
        members = ", ".join(f'{name}="{value}"' for name, value in said.items())
        return f"{self.scheme} {members}".strip()


def present(request: Request) -> Presentation:
    """Return what a request has in its header; never in its query."""
    name, _, value = request.headers.get("Authorization", "").partition(" ")
    scheme = _SCHEMES.get(name.lower())
    return Presentation(request, scheme or "Bearer", (value.strip() or None) if scheme else None)
