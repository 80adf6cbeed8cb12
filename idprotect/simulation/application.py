"""The application that simulated people sign in to: a public client that nobody runs."""

from datetime import UTC, datetime

from idprotect import clients
from idprotect.models import Client, session
from idprotect.registration import Registration

CLIENT_ID = "idprotect-simulation"
#: A name that never resolves (RFC 6761 section 6.4): should a real browser be sent there, nobody gets its code.
REDIRECT_URI = "https://simulation.invalid/callback"
REGISTRATION = Registration(
    client_name="Simulation",
    redirect_uris=(REDIRECT_URI,),
    token_endpoint_auth_method="none",  # noqa: S106 (no secret)
    first_party=True,
)


def register(by: str) -> None:
    """Register it, unless it is there already. The caller commits."""
    if session().get(Client, CLIENT_ID) is None:
        client, _ = clients.create(REGISTRATION, by=by, client_id=CLIENT_ID)
        client.valid_after = datetime(1970, 1, 1, tzinfo=UTC)  # codes of a simulated past count, too
