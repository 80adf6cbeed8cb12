"""``IDProtect(app)``: everything wired, in reading order."""

import atexit
import weakref
from datetime import timedelta

from flask import Flask, g
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import bindparam, update
from sqlalchemy.exc import SQLAlchemyError

from idprotect import api, counts, detectors, pages, request_times
from idprotect import settings as settings_module
from idprotect.admin import create_console
from idprotect.cli import idprotect as command_group
from idprotect.counts import Additions
from idprotect.hosts import HostDirectory, HostUsers
from idprotect.intelligence import Intelligence, MaxAges, sources
from idprotect.intelligence.breached_passwords import BreachedPasswords
from idprotect.keys import KeyRing
from idprotect.local_directory import LocalDirectory
from idprotect.models import SignIn, has_session, run, session, table_of
from idprotect.oidc.client_keys import KeyCache
from idprotect.oidc.server import create_server
from idprotect.passwords import Passwords
from idprotect.request_times import RequestTimes
from idprotect.runtime import Runtime, runtime
from idprotect.senders import Sender
from idprotect.senders.http_gateway import HttpGateway
from idprotect.senders.null import NullSender
from idprotect.senders.outbox import Outbox
from idprotect.senders.smtp import SmtpSender
from idprotect.settings import Settings
from idprotect.web import create_blueprint
from idprotect.worker import Courier

_sign_ins = table_of(SignIn)
_SEEN = (
    update(_sign_ins)
    .where(_sign_ins.c.id == bindparam("sign_in_id"))
    .values(last_seen_at=bindparam("seen_at"))
)


class IDProtect:
    """The extension: ``IDProtect(app, db, users)``, or ``IDProtect(db=db, users=users)`` and ``init_app(app)`` later.

    :param db: the host application's ``SQLAlchemy``; our tables live in its database.
    :param users: how to reach the host's users; None: idprotect keeps its own.
    """

    def __init__(
        self, app: Flask | None = None, db: SQLAlchemy | None = None, users: HostUsers | None = None
    ) -> None:
        self._db, self._users = db, users
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, db: SQLAlchemy | None = None, users: HostUsers | None = None) -> None:
        """Add idprotect to an application. Nothing about it is kept on this object, which may serve several."""
        db, users = db or self._db, users or self._users
        if db is None:
            raise TypeError("IDProtect needs db, the application's SQLAlchemy object")
        settings = settings_module.load(app.config)
        asked = detectors.of_settings(settings)
        keys = KeyRing(settings.instance_dir / "keys", settings.signing_algorithm)
        passwords = Passwords(
            keys.pepper,
            time_cost=settings.argon2_time_cost,
            memory_kib=settings.argon2_memory_kib,
            parallelism=settings.argon2_parallelism,
            parallel=settings.parallel_hashes,
        )
        app.extensions["idprotect"] = Runtime(
            settings=settings,
            db=db,
            keys=keys,
            passwords=passwords,
            directory=HostDirectory(users) if users is not None else LocalDirectory(),
            intelligence=_intelligence(settings),
            detections=asked.at_sign_in,
            session_detections=asked.in_session,
            additions=Additions(),
            sms=_sms_sender(settings),
            mail=_mail_sender(settings),
            server=create_server(),
            client_keys=KeyCache(),
            request_times=RequestTimes() if settings.metrics_token else None,
            courier=Courier(app) if settings.deliver else None,
        )
        if not app.secret_key:
            app.secret_key = keys.app_secret
        prefix = _prefix(app, settings)
        app.register_blueprint(create_blueprint(), url_prefix=prefix)
        app.register_blueprint(api.create_blueprint(), url_prefix=(prefix or "") + api.PREFIX)
        if settings.admin_path:
            create_console(app, f"{prefix or ''}{settings.admin_path}")
        if "idprotect" not in app.cli.commands:
            app.cli.add_command(command_group)
        _live_in_host(app)
        if settings.metrics_token:
            request_times.watch(app, app.extensions["idprotect"].request_times)
        app.teardown_appcontext(_write_counts)
        app.teardown_request(_wake_courier)
        atexit.register(_write_last_counts, weakref.ref(app))


def _wake_courier(_error: BaseException | None) -> None:
    """Let what this request put into the outbox be sent at once; and look now and then what else is to be told."""
    courier = runtime().courier
    if courier is not None and (g.pop("idprotect_deliveries", False) or courier.has_rested):
        courier.wake()


def _write_counts(_error: BaseException | None) -> None:
    # What was not committed is lost now in any case, and must not be in the way of the other transaction.
    if has_session():
        session().close()
    counts.write()
    request_times.write()


def _write_last_counts(app: "weakref.ref[Flask]") -> None:
    """Write what a worker has counted when it ends in order."""
    if (ended := app()) is not None:
        with ended.app_context():
            counts.write(now=True)
            request_times.write(now=True)


def _prefix(app: Flask, settings: Settings) -> str | None:
    """Return the path of the issuer as the application sees it, which may itself be mounted below a path."""
    root = app.config["APPLICATION_ROOT"].rstrip("/")
    path = f"{settings.url_prefix}/".removeprefix(f"{root}/").strip("/")
    return f"/{path}" if path else None


def _live_in_host(app: Flask) -> None:
    """Get on with what else an application has: CSRF protection, error pages, and views that commit nothing."""
    pages.register_errors_of_host(app)

    def exempt() -> None:
        # Our forms carry their own tokens, bound to the sign-in; the host's would be refused beside them.
        if (csrf := app.extensions.get("csrf")) is not None:
            for name in [name for name in app.blueprints if name.startswith("idprotect")]:
                csrf.exempt(app.blueprints[name])

    exempt()
    app.before_request(exempt)  # an application may begin to protect itself after this

    @app.teardown_request
    def keep_alive(_error: BaseException | None) -> None:
        """Store that the sign-in was used, in a transaction of its own: a view may commit nothing."""
        sign_in_id, seen_at = g.pop("idprotect_seen", (None, None))
        if sign_in_id is None:
            return
        try:
            session().rollback()
            run(_SEEN, sign_in_id=sign_in_id, seen_at=seen_at)
            session().commit()
        except SQLAlchemyError:
            session().rollback()


def _intelligence(settings: Settings) -> Intelligence:
    breached_path, breached_max_age = settings.breached_passwords, _age(settings.breached_passwords_max_age)
    return Intelligence(
        city=settings.city_database,
        asn=settings.asn_database,
        lists=sources.from_setting(settings.address_lists),
        breached=BreachedPasswords(breached_path, max_age=breached_max_age) if breached_path else None,
        max_ages=MaxAges(
            city=_age(settings.city_database_max_age),
            asn=_age(settings.asn_database_max_age),
            lists=_age(settings.address_list_max_age),
        ),
    )


def _age(seconds: int) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None


def _sms_sender(settings: Settings) -> Sender:
    if settings.sms_sender == "outbox":
        return Outbox(settings.instance_dir / "outbox")
    if settings.sms_sender == "http":
        return HttpGateway(settings.sms_gateway_url or "", settings.sms_gateway_token or "")
    return NullSender()


def _mail_sender(settings: Settings) -> Sender:
    if settings.mail_sender == "outbox":
        return Outbox(settings.instance_dir / "outbox")
    if settings.mail_sender == "smtp":
        return SmtpSender(
            settings.smtp_host,
            settings.mail_from,
            port=settings.smtp_port,
            security=settings.smtp_tls,
            user_name=settings.smtp_username,
            password=settings.smtp_password,
        )
    return NullSender()
