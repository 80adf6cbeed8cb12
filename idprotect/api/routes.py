"""What a route of the API is: who may call it, what it takes, what it answers; and how a request goes through it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn

from flask import Response, request

from idprotect import roles
from idprotect.api import bearer, watching
from idprotect.api.problems import Problem
from idprotect.api.schemas import Body, Kind, Member, Schema, Text, Whole
from idprotect.models import ClientRules
from idprotect.triage import Actor

LONGEST_ID = 128


@dataclass(frozen=True)
class Call:
    """One request that may be answered.

    :param scopes: of its token.
    :param path: the arguments of the path.
    :param query: the parameters, checked.
    :param body: the members of the body, checked.
    """

    client: ClientRules
    scopes: frozenset[str]
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Mapping[str, Any]

    @property
    def actor(self) -> Actor:
        """The client, as it acts."""
        return Actor(f"client:{self.client.id}", roles.of_scopes(self.scopes))


View = Callable[[Call], Response]


@dataclass(frozen=True)
class Answer:
    """One status that a route answers with; without *schema* it has no content."""

    about: str
    schema: Schema | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """One method of one path.

    :param path: as in OpenAPI, its arguments in braces.
    :param name: its ``operationId``.
    :param scopes: any one of them will do; none: whoever asks.
    :param arguments: the arguments of the path that are no ids.
    :param refusals: statuses of problems, beside those that all routes have.
    :param precondition: ``If-Match`` has to say which version of the policies is to be changed (RFC 9110 13.1.1).
    :param watched: many of them within an hour are held against the application.
    """

    method: str
    path: str
    name: str
    summary: str
    view: View
    answers: Mapping[int, Answer]
    tag: str
    scopes: Sequence[str]
    arguments: Mapping[str, Kind] = field(default_factory=dict)
    parameters: Mapping[str, Member] = field(default_factory=dict)
    body: Body | None = None
    refusals: Sequence[int] = ()
    precondition: bool = False
    watched: bool = True

    def answer(self, arguments: Mapping[str, str]) -> Response:
        """Answer the request at hand: who asks comes first, then what for.

        :raises Problem: for everything that stands against it.
        """
        token = bearer.require(self.scopes)
        self._note(token.client)
        path = {name: self._argument(name, text) for name, text in arguments.items()}
        query = self._query()
        body = read_body(self.body) if self.body is not None else {}
        if self.body is not None and (errors := self.body.problems(body)):
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The body is not valid.", errors=errors)
        scopes = frozenset(token.token.scope.split())
        return self.view(Call(token.client, scopes, path, query, body))

    def argument_kind(self, name: str) -> Kind:
        """Return the kind of an argument of the path."""
        return self.arguments.get(name, Text(LONGEST_ID))

    def _note(self, client: ClientRules) -> None:
        """Count that a client asks: also for what is not there, for that is how one guesses."""
        if all(scope.endswith(".read") for scope in self.scopes):
            watching.note_read(client.id, self.name)
        elif self.watched:
            watching.note_act(client.id)

    def _argument(self, name: str, text: str) -> Any:
        kind = self.argument_kind(name)
        value = kind.read(text) if isinstance(kind, Whole) else text
        if value is None or kind.problem(value) is not None:
            not_found()
        return value

    def _query(self) -> dict[str, Any]:
        given = request.args
        errors = [(name[:64], "is not known") for name in given if name not in self.parameters]
        values: dict[str, Any] = {}
        for name in given.keys() & self.parameters.keys():
            texts, kind = given.getlist(name), self.parameters[name].kind
            value = kind.read(texts[0]) if isinstance(kind, Whole) else texts[0]
            why = kind.problem(value) if len(texts) == 1 else "may be said once"
            errors += [(name, why)] if why else []
            values[name] = value
        if errors:
            detail = "The parameters are not valid."
            raise Problem(HTTPStatus.BAD_REQUEST, detail, errors=sorted(errors), member="parameter")
        return values


def read_body(body: Body) -> dict[str, Any]:
    """Return the JSON object that was sent; nothing at all is an empty one where nothing has to be said.

    :raises Problem: when it is anything else.
    """
    content = request.get_data()
    if not content and not request.mimetype and not body.is_required:
        return {}
    if request.mimetype != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise Problem(HTTPStatus.BAD_REQUEST, "The body must be a JSON object.")
    return value


def no_content() -> Response:
    """Answer that it is done; there is no more to say."""
    response = Response(status=HTTPStatus.NO_CONTENT)
    del response.headers["Content-Type"]
    return response


def not_found() -> NoReturn:
    """Say that nothing is there."""
    raise Problem(HTTPStatus.NOT_FOUND, "There is no such thing.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)  # NaN and Infinity are not JSON (RFC 8259 section 6)
