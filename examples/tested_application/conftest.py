"""The provider, and this application beside it; ``pip install 'idprotect[applications]' pytest``."""

from collections.abc import Iterator

import pytest
from app import create_app
from flask import Flask
from flask.testing import FlaskClient

from idprotect.testing import Provider, serve

pytest_plugins = ["idprotect.testing.plugin"]


@pytest.fixture(scope="session")
def application(idprotect_provider: Provider) -> Iterator[Flask]:
    """Serve the application, because the provider calls it when a session ends."""
    built = []

    def build(url: str) -> Flask:
        client = idprotect_provider.application(
            "Bank", redirect_uris=(f"{url}/callback",), backchannel_logout_uri=f"{url}/backchannel-logout"
        )
        built.append(create_app(idprotect_provider.issuer, client.client_id, client.client_secret))
        built[0].config["SERVER_NAME"] = url.removeprefix("http://")
        return built[0]

    with serve(build):
        yield built[0]


@pytest.fixture
def browser(application: Flask) -> FlaskClient:
    """The application's half of a browser; the person has the provider's."""
    return application.test_client()
