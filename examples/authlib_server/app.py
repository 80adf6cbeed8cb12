"""Somebody's OAuth 2 server, made with Authlib: own people, clients, codes and tokens, to which the hook was added.

What was added is under a comment that begins with ``# idprotect:``; everything else was there before. In it are no
Flask-Login and no consent page: whoever is signed in gets a code.
"""

import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.integrations.sqla_oauth2 import (
    OAuth2AuthorizationCodeMixin,
    OAuth2ClientMixin,
    OAuth2TokenMixin,
    create_bearer_token_validator,
    create_query_client_func,
    create_save_token_func,
)
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc7636 import CodeChallenge
from flask import Flask, jsonify, redirect, render_template, request, session, url_for
from flask.cli import with_appcontext
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

import idprotect
from idprotect import IDProtect, SQLAlchemyUsers, migrations


class Base(DeclarativeBase):
    """Base of the server's own tables."""


db = SQLAlchemy(model_class=Base)


class Person(db.Model):
    """Somebody who can sign in."""

    __tablename__ = "person"
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    nickname: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]

    def get_user_id(self) -> int:
        """Return the id, for Authlib."""
        return self.id

    def set_password(self, password: str) -> None:
        """Keep a hash of the password."""
        self.password_hash = generate_password_hash(password)

    def check_password(self, password: str) -> bool:
        """Compare a password with the hash."""
        return check_password_hash(self.password_hash, password)


class Client(db.Model, OAuth2ClientMixin):
    """An application."""

    __tablename__ = "oauth2_client"

    id: Mapped[int] = mapped_column(primary_key=True)


class Code(db.Model, OAuth2AuthorizationCodeMixin):
    """An authorization code."""

    __tablename__ = "oauth2_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"))


class Token(db.Model, OAuth2TokenMixin):
    """An access token."""

    __tablename__ = "oauth2_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey(Person.id, ondelete="CASCADE"))
    user: Mapped[Person] = relationship()


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant):
    """The code grant over our own table."""

    TOKEN_ENDPOINT_AUTH_METHODS = ["none", "client_secret_basic"]

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Store a code."""
        parameters = request.payload.data
        row = Code(
            code=code,
            client_id=request.client.client_id,
            redirect_uri=request.payload.redirect_uri,
            scope=request.scope,
            user_id=request.user.id,
            auth_time=int(time.time()),
            code_challenge=parameters.get("code_challenge"),
            code_challenge_method=parameters.get("code_challenge_method"),
        )
        db.session.add(row)
        db.session.commit()

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Find a code."""
        row = db.session.scalar(db.select(Code).filter_by(code=code, client_id=client.client_id))
        return row if row is not None and not row.is_expired() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Use a code up."""
        db.session.delete(authorization_code)
        db.session.commit()

    def authenticate_user(self, authorization_code: Code) -> Person | None:
        """Return whose code it is."""
        return db.session.get(Person, authorization_code.user_id)


server = AuthorizationServer()
require_oauth = ResourceProtector()

# idprotect: how to reach the people.
protect = IDProtect(
    db=db,
    users=SQLAlchemyUsers(
        Person,
        username="nickname",
        name="nickname",
        verify_password=Person.check_password,
        set_password=Person.set_password,
    ),
)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the server."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ.get("SERVER_SECRET_KEY", "only for trying it out"),
        SQLALCHEMY_DATABASE_URI="sqlite:///server.sqlite",
        # idprotect: where its pages are, a folder for its keys, and the login page that we have.
        IDPROTECT_ISSUER="http://localhost:5000/protect",
        IDPROTECT_INSTANCE_DIR=Path(app.instance_path, "idprotect"),
        IDPROTECT_LOGIN_VIEW="login",
        IDPROTECT_DEVELOPMENT=True,
        IDPROTECT_MAIL_SENDER="outbox",
        IDPROTECT_SMS_SENDER="outbox",
    )
    app.config.update(config or {})
    db.init_app(app)
    server.init_app(
        app, create_query_client_func(db.session, Client), create_save_token_func(db.session, Token)
    )
    protect.init_app(app)  # idprotect

    app.add_url_rule("/login", "login", login, methods=["GET", "POST"])
    app.add_url_rule("/logout", "logout", logout, methods=["POST"])
    app.add_url_rule("/oauth/authorize", "authorize", authorize)
    app.add_url_rule("/oauth/token", "token", token, methods=["POST"])
    app.add_url_rule("/api/me", "me", me)
    app.cli.add_command(add_person)
    app.cli.add_command(add_client)
    with app.app_context():
        db.create_all()
        migrations.upgrade()  # idprotect: the same as `flask idprotect init`
    return app


server.register_grant(AuthorizationCodeGrant, [CodeChallenge(required=True)])
require_oauth.register_token_validator(create_bearer_token_validator(db.session, Token)())


def signed_in() -> Person | None:
    """Return whom the session belongs to."""
    return db.session.get(Person, session.get("person_id", 0))


def login() -> str | Response:
    """The login page."""
    problem = None
    if request.method == "POST":
        nickname, password = request.form["nickname"], request.form["password"]
        person = db.session.scalar(db.select(Person).filter_by(nickname=nickname))
        try:
            # idprotect: was person.check_password(password); a temporary password is right, too.
            if idprotect.verify_password(person, password):
                idprotect.sign_in(person, password=password)  # idprotect
                session.clear()
                session["person_id"] = person.id
                # idprotect: was redirect(request.args.get("next", "/")).
                return idprotect.continue_to("/")
            idprotect.sign_in_failed(nickname)  # idprotect
            problem = "That is not right."
        except idprotect.InteractionError as error:  # idprotect: too many tries
            problem = error.message
    return render_template("login.html", problem=problem)


def logout() -> Response:
    """Log out."""
    idprotect.sign_out()  # idprotect
    session.clear()
    return redirect(url_for("login"), 303)


def authorize() -> str | Response:
    """The authorize endpoint."""
    person = signed_in()
    if person is None:
        return redirect(url_for("login", next=request.full_path), 303)
    try:
        grant = server.get_consent_grant(end_user=person)
    except OAuth2Error as error:
        return server.handle_error_response(server.create_oauth2_request(None), error)

    # idprotect: the hook. Either somebody may have a code now, or there is a page to show first.
    client = grant.client
    scopes = (grant.request.scope or "").split()
    if page := idprotect.interrupt(
        client_id=client.client_id, client_name=client.client_name, scopes=scopes, user=person
    ):
        return page

    return server.create_authorization_response(grant_user=person, grant=grant)


def token() -> Response:
    """The token endpoint."""
    return server.create_token_response()


@require_oauth("profile")
def me() -> Response:
    """What applications may know."""
    return jsonify(nickname=current_token.user.nickname)


@click.command("add-person")
@click.argument("nickname")
@click.password_option()
@with_appcontext
def add_person(nickname: str, password: str) -> None:
    """Make an account."""
    person = Person(nickname=nickname)
    person.set_password(password)
    db.session.add(person)
    db.session.commit()


@click.command("add-client")
@click.argument("name")
@click.argument("redirect_uri")
@with_appcontext
def add_client(name: str, redirect_uri: str) -> None:
    """Register a public application and show its client id."""
    client = Client(client_id=secrets.token_hex(8), client_id_issued_at=int(time.time()))
    metadata = {
        "client_name": name,
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "scope": "profile",
        "token_endpoint_auth_method": "none",
    }
    client.set_client_metadata(metadata)
    db.session.add(client)
    db.session.commit()
    click.echo(client.client_id)
