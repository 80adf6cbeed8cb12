"""Errors in the form of RFC 9457 (``application/problem+json``)."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, json
from sqlalchemy.exc import OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException

from idprotect.errors import IDProtectError
from idprotect.models import session

log = logging.getLogger("idprotect.api")


class Problem(IDProtectError):
    """A request that was not carried out.

    :param errors: what is wrong with single members of the body, as ``(JSON pointer, why)``.
    :param member: what the first of these is called in the answer: ``pointer``, or ``parameter`` of the address.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str = "",
        *,
        errors: Sequence[tuple[str, str]] = (),
        member: str = "pointer",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or status.phrase)
        self.status, self.detail = status, detail
        self.errors, self.headers = (
            [{member: name, "detail": why} for name, why in errors],
            dict(headers or {}),
        )

    def response(self) -> Response:
        """Return the answer."""
        body: dict[str, Any] = {"title": self.status.phrase, "status": int(self.status)}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = self.errors
        answer = Response(json.dumps(body), int(self.status), mimetype="application/problem+json")
        answer.headers.update(self.headers)
        return answer


#: What every problem looks like.
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string"},
                    "parameter": {"type": "string"},
                    "detail": {"type": "string"},
                },
                "required": ["detail"],
            },
        },
    },
    "required": ["title", "status"],
}


def register(blueprint: Blueprint) -> None:
    """Let every error within the interface be answered in its own form."""
    blueprint.register_error_handler(Problem, _problem)
    blueprint.register_error_handler(HTTPException, _http_error)
    blueprint.register_error_handler(OperationalError, _unavailable)
    blueprint.register_error_handler(TimeoutError, _unavailable)
    blueprint.register_error_handler(Exception, _unexpected)


def _problem(problem: Problem) -> Response:
    session().rollback()
    return problem.response()


def _http_error(error: HTTPException) -> Response:
    return _problem(Problem(HTTPStatus(error.code or 500)))


def _unavailable(error: Exception) -> Response:
    log.error("the database does not answer: %s", type(error).__name__)
    return _problem(Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Try again.", headers={"Retry-After": "5"}))


def _unexpected(error: Exception) -> Response:
    log.error("an error of ours", exc_info=error)
    return _problem(Problem(HTTPStatus.INTERNAL_SERVER_ERROR))
