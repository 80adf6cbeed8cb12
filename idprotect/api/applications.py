"""Applications at the API: registered, changed, given a new secret, switched off and on; by the verbs of the console.

What changes one needs ``If-Match`` with its ``ETag``, so nobody undoes what somebody else did meanwhile, and a request
for a new secret that is sent again makes no second one. Whoever registers applications could register one that is
allowed more: so nobody gives, takes over or touches a scope of ours that the token at hand does not have, and no
application changes itself.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Response, jsonify, request
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from idprotect import clients, workloads
from idprotect.api.listed import Listed
from idprotect.api.problems import Problem
from idprotect.api.routes import Answer, Call, Route, no_content, not_found
from idprotect.api.schemas import (
    TEXT,
    TEXT_OR_NOTHING,
    TEXTS,
    TIME_OR_NOTHING,
    TRUTH,
    Body,
    Choice,
    Document,
    Flag,
    Kind,
    Member,
    Several,
    Table,
    Text,
    Whole,
    shaped,
)
from idprotect.errors import InteractionError, NotFound
from idprotect.lists import APPLICATIONS
from idprotect.models import Client, new_id, rows_changed, session
from idprotect.registration import (
    APPLICATION_TYPES,
    AUTH_METHODS,
    GRANTS,
    OWN_SCOPES,
    PKCE,
    SUBJECT_TYPES,
    Registration,
    RegistrationError,
)

READ, WRITE = "idprotect:applications.read", "idprotect:applications.write"
PATH = "/applications/{client_id}"
_read_route = partial(Route, tag="applications", scopes=(READ,))
_write_route = partial(Route, tag="applications", scopes=(WRITE,))
_LINE = Text(2000)
_KINDS: Mapping[str, Kind] = {
    "client_name": Text(128),
    "token_endpoint_auth_method": Choice(AUTH_METHODS),
    "grant_types": Several(Choice(GRANTS), len(GRANTS)),
    "application_type": Choice(APPLICATION_TYPES),
    "subject_type": Choice(SUBJECT_TYPES),
    "pkce": Choice(PKCE),
    "scope": Text(2000, may_be_empty=True),
    "jwks": Document("A JWK Set with its public keys."),
}


def _kind(field: "Field[Any]") -> Kind:
    if field.name in _KINDS:
        return _KINDS[field.name]
    if isinstance(field.default, bool):
        return Flag()
    return Several(_LINE, 100) if isinstance(field.default, tuple) else _LINE


REGISTRATION = Table(
    {field.name: Member(_kind(field), required=field.default is MISSING) for field in fields(Registration)}
)
_LISTS = [field.name for field in fields(Registration) if isinstance(field.default, tuple)]
ONE = shaped(
    client_id=TEXT,
    created=TIME_OR_NOTHING,
    enabled=TRUTH,
    by_document=TRUTH,
    risk_level=TEXT,
    risk_reasons=TEXTS,
    registration=REGISTRATION.schema(),
)
ETAG = {"ETag": "Names how it is registered; for If-Match."}
REASON = Member(Text(500), "For the audit log.", required=True)


def _get(call: Call) -> Response:
    """Answer with one application."""
    return _shown(_found(call))


def _post(call: Call) -> Response:
    """Register an application. One that is registered so already is answered without its secret."""
    wanted = _wanted(call)
    client_id = call.body.get("client_id")
    existing = session().get(Client, client_id) if client_id is not None else None
    if existing is not None:
        _check_reach(call, existing)
        if clients.registration_of(existing) != clients.as_stored(wanted):
            raise Problem(HTTPStatus.CONFLICT, "An application with this id is registered otherwise.")
        return _shown(existing)
    try:
        client, secret = clients.create(
            wanted, by=call.actor.name, client_id=client_id, reason=call.body["reason"]
        )
        session().commit()
    except RegistrationError as error:
        raise _not_valid(error) from None
    except IntegrityError:
        raise Problem(HTTPStatus.CONFLICT, "Somebody else registers this id just now.") from None
    answer = _shown(client, client_secret=secret)
    answer.status_code = HTTPStatus.CREATED
    return answer


def _put(call: Call) -> Response:
    """Register an application anew; what is left out has its default again."""
    client, wanted = _found(call), _wanted(call)
    _check_reach(call, client)
    _need_precondition()
    if clients.registration_of(client) == clients.as_stored(wanted):
        return _shown(client, client_secret=None)
    _hold(client)
    try:
        secret = clients.change(client, wanted, call.actor.name, call.body["reason"])
    except RegistrationError as error:
        raise _not_valid(error) from None
    session().commit()
    return _shown(client, client_secret=secret)


def _rotate(call: Call) -> Response:
    """Make a new secret."""
    client = _found(call)
    _check_reach(call, client)
    _need_precondition()
    if client.secret_hash is None:
        raise Problem(HTTPStatus.CONFLICT, "This application has no secret.")
    _hold(client)
    overlap = timedelta(hours=call.body.get("overlap_hours", 0))
    secret = clients.rotate_secret(client, call.actor.name, overlap, call.body["reason"])
    session().commit()
    until = client.previous_secret_expires_at
    answer = jsonify(
        client_secret=secret, previous_secret_expires_at=until.isoformat() if until is not None else None
    )
    answer.set_etag(client.revision)
    return answer


def _switch(call: Call) -> Response:
    """Refuse an application and all that it holds, or accept it again; said again, it changes nothing."""
    client, on = _found(call), call.body["on"]
    _check_reach(call, client)
    if client.enabled is not on:
        clients.set_enabled(client, on, call.actor.name, call.body["reason"])
        session().commit()
    return no_content()


def _dismiss(call: Call) -> Response:
    """Say that an application's risk is void; said again, it changes nothing."""
    client = _found(call)
    _check_reach(call, client)
    try:
        workloads.dismiss(client.id, call.actor.name, call.body["reason"])
    except InteractionError:
        return no_content()
    session().commit()
    return no_content()


def _found(call: Call) -> Client:
    try:
        return clients.get(call.path["client_id"])
    except NotFound:
        not_found()


def _wanted(call: Call) -> Registration:
    """Return the registration that the body asks for.

    :raises Problem: for one that is not valid, or gives more than the caller has.
    """
    given: dict[str, Any] = dict(call.body["registration"])
    wanted = Registration(**given | {name: tuple(given[name]) for name in _LISTS if name in given})
    if problems := wanted.problems():
        raise _not_valid(RegistrationError(problems))
    _check_scopes(call, wanted)
    return wanted


def _check_reach(call: Call, client: Client) -> None:
    """Refuse to touch what is allowed more than the caller, and the caller itself."""
    if client.id == call.client.id:
        raise Problem(HTTPStatus.FORBIDDEN, "Somebody else has to do this: no application changes itself.")
    _check_scopes(call, clients.registration_of(client))


def _check_scopes(call: Call, registration: Registration) -> None:
    own = OWN_SCOPES.keys() & (registration.scope or "").split()
    if beyond := sorted(own - call.scopes):
        detail = f"The token at hand has not {', '.join(beyond)}, so it cannot be given or taken over by it."
        raise Problem(HTTPStatus.FORBIDDEN, detail)


def _need_precondition() -> None:
    """Refuse a change that does not say from which registration it was made."""
    if not request.if_match:
        detail = "If-Match is needed: the ETag of the application as read."
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, detail)


def _hold(client: Client) -> None:
    """Refuse a change that was made from another registration than the one stored; of two at once one goes on."""
    same = update(Client).where(Client.id == client.id, Client.revision == client.revision)
    is_same = request.if_match.contains(client.revision)
    if not is_same or not rows_changed(same.values(revision=new_id())):
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "The application was changed meanwhile.")


def _not_valid(error: RegistrationError) -> Problem:
    problems = [
        ("/client_id" if problem.field == "client_id" else f"/registration/{problem.field}", problem.message)
        for problem in error.problems
    ]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The registration is not valid.", errors=problems)


def _shown(client: Client, **secret: str | None) -> Response:
    registered = clients.registration_of(client)
    metadata = {name: getattr(registered, name) for name in Registration.__dataclass_fields__}
    answer = jsonify(
        client_id=client.id,
        created=client.created_at.isoformat(),
        enabled=client.enabled,
        by_document=client.by_document,
        risk_level=workloads.risk(client.id).label,
        risk_reasons=workloads.reasons(client.id),
        registration={name: value for name, value in metadata.items() if value is not None},
        **secret,
    )
    answer.set_etag(client.revision)
    return answer


_WITH_SECRET = {**ONE, "properties": {**ONE["properties"], "client_secret": TEXT_OR_NOTHING}}
ROUTES = (
    Listed(
        "/applications", "listApplications", "applications", "Every application.", READ, APPLICATIONS
    ).route(),
    _read_route(
        "GET",
        PATH,
        "getApplication",
        "One application, as it is registered (RFC 7591).",
        _get,
        {200: Answer("This one.", ONE, ETAG)},
        refusals=(404,),
    ),
    _write_route(
        "POST",
        "/applications",
        "registerApplication",
        "Register an application. Its secret is told this once; sent again with its client_id, nothing is done.",
        _post,
        {
            201: Answer("It is registered.", _WITH_SECRET, ETAG),
            200: Answer("It was registered so already.", ONE, ETAG),
        },
        body=Body(
            {
                "client_id": Member(Text(128), "Otherwise a random one."),
                "registration": Member(REGISTRATION, required=True),
                "reason": REASON,
            }
        ),
        refusals=(409,),
    ),
    _write_route(
        "PUT",
        PATH,
        "changeApplication",
        "Register an application anew. Once something is taken away, everything issued so far is refused.",
        _put,
        {200: Answer("It is registered so.", _WITH_SECRET, ETAG)},
        body=Body({"registration": Member(REGISTRATION, required=True), "reason": REASON}),
        refusals=(404,),
        precondition=True,
    ),
    _write_route(
        "POST",
        f"{PATH}/rotate-secret",
        "rotateSecret",
        "Make a new secret. Without overlap, what was issued so far is refused, and the application's risk is closed.",
        _rotate,
        {
            200: Answer(
                "Told this once.",
                shaped(client_secret=TEXT, previous_secret_expires_at=TIME_OR_NOTHING),
                ETAG,
            )
        },
        body=Body(
            {
                "overlap_hours": Member(
                    Whole(0, int(clients.MAX_OVERLAP.total_seconds() // 3600)),
                    "The old secret is good for as long, and what was issued stays good.",
                ),
                "reason": REASON,
            }
        ),
        refusals=(404, 409),
        precondition=True,
    ),
    _write_route(
        "PUT",
        f"{PATH}/enabled",
        "switchApplication",
        "Refuse an application and all that it holds, or accept it again; what it held stays refused.",
        _switch,
        {204: Answer("It is so.")},
        body=Body({"on": Member(Flag(), required=True), "reason": REASON}),
        refusals=(404,),
    ),
    _write_route(
        "POST",
        f"{PATH}/dismiss",
        "dismissApplication",
        "Say that an application's risk is void: what it was held at risk for was itself.",
        _dismiss,
        {204: Answer("It is at no risk.")},
        body=Body({"reason": REASON}),
        refusals=(404,),
    ),
)
