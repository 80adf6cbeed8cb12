"""A rowing club's website with its own database, members, passwords and login page, to which idprotect was added.

What was added is under a comment that begins with ``# idprotect:``; everything else was there before.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from flask import Flask, flash, redirect, render_template, url_for
from flask.cli import with_appcontext
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect, FlaskForm
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired, Length

import idprotect
from idprotect import IDProtect, SQLAlchemyUsers, migrations


class Base(DeclarativeBase):
    """Base of the club's own tables."""


db = SQLAlchemy(model_class=Base)
csrf = CSRFProtect()
login_manager = LoginManager()
login_manager.login_view = "login"
login_manager.session_protection = None


class Member(UserMixin, db.Model):
    """Somebody who rows."""

    __tablename__ = "member"
    # idprotect: without this, SQLite gives the id of a deleted member to the next one.
    __table_args__ = {"sqlite_autoincrement": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    boat: Mapped[str] = mapped_column(default="")
    password_hash: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)

    @property
    def is_active(self) -> bool:
        """Whether the member may sign in, for Flask-Login."""
        return self.active

    def set_password(self, password: str) -> None:
        """Keep a hash of the password."""
        self.password_hash = generate_password_hash(password)

    def check_password(self, password: str) -> bool:
        """Compare a password with the hash."""
        return check_password_hash(self.password_hash, password)


# idprotect: how to reach the members.
protect = IDProtect(
    db=db,
    users=SQLAlchemyUsers(
        Member,
        username="email",
        name="name",
        email="email",
        enabled="active",
        verify_password=Member.check_password,
        set_password=Member.set_password,
        groups=lambda member: ["boat-captains"] if member.boat else [],
    ),
)


class LoginForm(FlaskForm):
    """Mail address and password."""

    email = StringField("Mail address", [InputRequired(), Length(max=256)])
    password = PasswordField("Password", [InputRequired(), Length(max=1024)])


class PasswordForm(FlaskForm):
    """A new password."""

    current = PasswordField("Current password", [InputRequired(), Length(max=1024)])
    new = PasswordField("New password", [InputRequired(), Length(min=15, max=1024)])


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the website."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ.get("CLUB_SECRET_KEY", "only for trying it out"),
        SQLALCHEMY_DATABASE_URI="sqlite:///club.sqlite",
        # idprotect: where it is reached, a folder for its keys, and the login page that we have.
        IDPROTECT_ISSUER="http://localhost:5000/id",
        IDPROTECT_INSTANCE_DIR=Path(app.instance_path, "idprotect"),
        IDPROTECT_LOGIN_VIEW="login",
        IDPROTECT_BRAND_NAME="Harbour Rowing Club",
        # idprotect: on this machine only; mails and text messages are shown at /id/outbox.
        IDPROTECT_DEVELOPMENT=True,
        IDPROTECT_MAIL_SENDER="outbox",
        IDPROTECT_SMS_SENDER="outbox",
    )
    app.config.update(config or {})
    db.init_app(app)
    csrf.init_app(app)
    login_manager.init_app(app)
    protect.init_app(app)  # idprotect

    app.add_url_rule("/", "index", index)
    app.add_url_rule("/login", "login", login, methods=["GET", "POST"])
    app.add_url_rule("/logout", "logout", logout, methods=["POST"])
    app.add_url_rule("/members", "members", members)
    app.add_url_rule("/boats", "boats", boats)
    app.add_url_rule("/password", "password", password, methods=["GET", "POST"])
    app.cli.add_command(add_member)
    with app.app_context():
        db.create_all()
        migrations.upgrade()  # idprotect: the same as `flask idprotect init`
    return app


@login_manager.user_loader
def load_member(member_id: str) -> Member | None:
    """Return the member to whom the session belongs."""
    member = db.session.get(Member, int(member_id))
    # idprotect: the session is worth what the sign-in behind it is worth now.
    return member if idprotect.is_signed_in(member) else None


def index() -> str:
    """The page for everybody."""
    return render_template("index.html")


def login() -> str | Response:
    """The login page, shown to whoever comes: somebody who is signed in may have to sign in again."""
    form = LoginForm()
    if form.validate_on_submit():
        address, typed = form.email.data, form.password.data
        member = db.session.scalar(db.select(Member).filter_by(email=address))
        try:
            # idprotect: was member.check_password(typed); a temporary password is right, too.
            if idprotect.verify_password(member, typed):
                idprotect.sign_in(member, password=typed)  # idprotect
                login_user(member)
                # idprotect: was redirect(url_for("members")); what stands in between comes first.
                return idprotect.continue_to(url_for("members"))
            idprotect.sign_in_failed(address)  # idprotect
            flash("Mail address or password is not right.")
        except idprotect.InteractionError as error:  # idprotect: too many tries
            flash(error.message)
    return render_template("login.html", form=form)


def logout() -> Response:
    """Log out."""
    idprotect.sign_out()  # idprotect
    logout_user()
    return redirect(url_for("index"), 303)


def members() -> str | Response:
    """A page for members alone."""
    # idprotect: asked each time, so a risk that rises in between leads to the page that cures it.
    if page := idprotect.interrupt(client_name="Members' page"):
        return page
    if not current_user.is_authenticated:
        return login_manager.unauthorized()
    return render_template("members.html", crews=db.session.scalars(db.select(Member)).all())


@login_required
def boats() -> str:
    """Another page for members, protected as it always was: by the session, and so by ``load_member``."""
    return render_template("boats.html")


@login_required
def password() -> str | Response:
    """Choose another password."""
    form = PasswordForm()
    if form.validate_on_submit():
        if current_user.check_password(form.current.data):
            current_user.set_password(form.new.data)
            db.session.commit()
            idprotect.password_changed(current_user)  # idprotect: ends the other sign-ins
            flash("Your password was changed.")
            return redirect(url_for("members"), 303)
        flash("This is not your current password.")
    return render_template("password.html", form=form)


@click.command("add-member")
@click.argument("email")
@click.argument("name")
@click.option("--boat", default="")
@click.password_option()
@with_appcontext
def add_member(email: str, name: str, boat: str, password: str) -> None:
    """Take somebody into the club."""
    member = Member(email=email, name=name, boat=boat)
    member.set_password(password)
    db.session.add(member)
    db.session.commit()
