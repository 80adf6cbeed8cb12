"""Northwind Notes, a small application that signs people in with plain OpenID Connect.

It stands for any relying party: it knows the provider's address and its own client id, imports nothing of the
server, and would work with another provider. Read `views.py`, `provider.py`, then `hearing.py`.
"""

import os
from collections.abc import Mapping

from flask import Flask

from . import hearing, views
from .provider import Provider
from .settings import Settings, SettingsError
from .signals import Signals
from .visitors import Northwind

__all__ = ["Settings", "SettingsError", "create_app"]


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Return the application as the environment (or the mapping given in its place) configures it.

    Tokens live in the memory of one process: serve it with threads, not with several workers.
    """
    settings = Settings.from_environ(os.environ if environ is None else environ)
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="northwind_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.base_url.startswith("https://"),
        MAX_CONTENT_LENGTH=16_384,
    )
    signals = Signals(settings)
    app.extensions["northwind"] = Northwind(settings, Provider(app, settings), signals)
    app.register_blueprint(views.blueprint)
    app.register_blueprint(hearing.blueprint)
    app.register_blueprint(signals.receiver.blueprint(), url_prefix="/signals")
    return app
