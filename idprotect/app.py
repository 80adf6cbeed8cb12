"""The stand-alone server."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Request, redirect, url_for
from flask import Response as FlaskResponse
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_login import LoginManager, current_user
from flask_sqlalchemy import SQLAlchemy
from werkzeug.wrappers import Response

from idprotect import gate, pages, people, session_cookie
from idprotect import settings as settings_module
from idprotect.databases import tune_postgresql, tune_sqlite
from idprotect.extension import IDProtect
from idprotect.gate import Access
from idprotect.models import User


class SessionOnDemand(SecureCookieSessionInterface):
    """Flask's session, for whoever extends this server. idprotect has none, so its requests pay nothing for it."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the cookie, if there is one."""
        if self.get_cookie_name(app) in request.cookies:
            return super().open_session(app, request)
        return self.session_class()

    def save_session(self, app: Flask, session: SessionMixin, response: FlaskResponse) -> None:
        """Write it, if anybody touched it."""
        if session.accessed or session.modified:
            super().save_session(app, session, response)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the server from *config* (``IDPROTECT_…`` keys) and the environment.

    :raises ConfigurationError: for anything missing, unknown or unsafe.
    """
    app = Flask("idprotect", static_folder=None, template_folder=pages.template_folder())
    # Werkzeug would answer //x by a 308 to a URL made of the Host header.
    app.url_map.merge_slashes = False
    app.config["IDPROTECT_ADMIN_PATH"] = "/admin"
    app.config.update(config or {})
    settings = settings_module.load(app.config)
    settings.instance_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url(settings)
    app.config.setdefault("SQLALCHEMY_ENGINE_OPTIONS", engine_options(settings))
    app.config["TRUSTED_HOSTS"] = [urlsplit(settings.issuer).hostname]
    app.config["MAX_CONTENT_LENGTH"] = 64 * 1024
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.session_interface = SessionOnDemand()

    db = SQLAlchemy(app, session_options={"expire_on_commit": False})
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            tune_sqlite(db.engine)
        elif db.engine.driver == "psycopg":
            tune_postgresql(db.engine)
    IDProtect(app, db)
    _use_flask_login(app)
    pages.register_errors(app)
    app.after_request(pages.secure)
    app.add_url_rule("/", "index", _index)
    return app


def database_url(settings: settings_module.Settings) -> str:
    """Return the SQLAlchemy URL; psycopg 3 for a bare ``postgresql://``."""
    if settings.database_url:
        return settings.database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    return f"sqlite:///{(settings.instance_dir / 'idprotect.sqlite').resolve()}"


def engine_options(settings: settings_module.Settings) -> dict[str, Any]:
    """Return pool sizes and time limits; statement parameters never reach a log."""
    options: dict[str, Any] = {"hide_parameters": True}
    if settings.database_url.startswith("postgresql"):
        options |= {"pool_size": 10, "max_overflow": 10, "pool_timeout": 8}
    return options


def _use_flask_login(app: Flask) -> None:
    """Let ``current_user`` and ``login_required`` work for whoever extends the stand-alone server.

    Only a sign-in counts that was completed, and still would be: otherwise, whoever has the password is nobody here.
    """
    # Not by ``init_app``: it touches the session of every request, for a cookie that remembers people, which we have
    # not. Templates get the lazy name only: an error page must not ask the database who is there.
    manager = app.login_manager = LoginManager()  # type: ignore[attr-defined]
    app.context_processor(lambda: {"current_user": current_user})
    manager.session_protection = None  # it would trust a client-sent X-Forwarded-For
    manager.login_view = "idprotect.start"

    @manager.request_loader  # type: ignore[untyped-decorator]
    def load(_request: Any) -> User | None:
        current = session_cookie.current()
        if current is None or current.sign_in.completed_at is None:
            return None
        return current.user if gate.still_allows(Access(current, people.ACCOUNT)) else None


def _index() -> Response:
    return redirect(url_for("idprotect.account"), 303)
