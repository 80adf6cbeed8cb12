"""Lists of people, and the page of one: risk with its ledger, factors, devices, sessions, and what happened."""

from typing import Any

from flask import Response, abort, url_for
from sqlalchemy import Select, select

from idprotect import acceptances, clock, learning, methods, roles
from idprotect.admin import door
from idprotect.admin.acts_view import offered
from idprotect.admin.list_view import ListView
from idprotect.admin.view import expose
from idprotect.lists import RISKY_USERS, USERS
from idprotect.lists.people import registration_status
from idprotect.lists.sign_ins import outcome_of
from idprotect.lists.sign_ins import usable as usable_sign_in
from idprotect.models import (
    AuditEvent,
    Authenticator,
    Device,
    RiskDetection,
    RiskHistory,
    SignIn,
    User,
    session,
)

SHOWN = 20


class RiskyUsersView(ListView):
    """People at risk."""

    key, listing = "risky_users", RISKY_USERS


class UsersView(ListView):
    """Everybody."""

    key, listing = "users", USERS

    @expose("/<user_id>")
    def details(self, user_id: str) -> Response:
        """One person; the help desk sees who it is and how they can sign in."""
        user = session().get(User, user_id)
        if user is None:
            abort(404)
        shows_evidence = door.may(roles.EVIDENCE)
        return self.page(
            "user.html",
            user=user,
            registration=session().scalar(select(registration_status()).where(User.id == user.id)),
            methods=[_method(row) for row in _of(user, Authenticator, Authenticator.created_at)],
            shows_evidence=shows_evidence,
            offered=offered("user", user.id),
            list_url=url_for(f"{self.endpoint}.index"),
            **(_evidence(user) if shows_evidence else {}),
        )


def _evidence(user: User) -> dict[str, Any]:
    sessions = select(SignIn).where(SignIn.user_id == user.id, usable_sign_in())
    sign_ins = _of(user, SignIn, SignIn.signed_in_at)
    return {
        "learning": _learning(user),
        "history": _of(user, RiskHistory, RiskHistory.id),
        "detections": [
            (row, offered("detection", row.id)) for row in _of(user, RiskDetection, RiskDetection.detected_at)
        ],
        "sessions": _newest(sessions, SignIn.signed_in_at),
        "devices": _of(user, Device, Device.last_seen_at),
        "sign_ins": [(sign_in, outcome_of(sign_in)) for sign_in in sign_ins],
        "accepted_terms": acceptances.of(user.id)[:SHOWN],
        "events": _of(user, AuditEvent, AuditEvent.id),
        "shown": SHOWN,
    }


def _learning(user: User) -> str:
    """Return why what is unfamiliar raises nothing yet; empty when it does."""
    return learning.rules().reason(learning.profile(user.id), clock.now().timestamp())


def _of(user: User, model: Any, order: Any) -> Any:
    return _newest(select(model).where(model.user_id == user.id), order)


def _newest(statement: Select[Any], order: Any) -> Any:
    return session().scalars(statement.order_by(order.desc()).limit(SHOWN)).all()


def _method(authenticator: Authenticator) -> dict[str, Any]:
    method = methods.METHODS.get(authenticator.method)
    return {
        "label": method.label if method is not None else authenticator.method,
        "row": authenticator,
    }
