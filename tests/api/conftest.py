"""The server of the protocol's tests, which has two processes."""

from tests.oidc.conftest import server

__all__ = ["server"]
