"""The interface for other systems: JSON, bearer tokens instead of cookies, errors by RFC 9457."""

from flask import Blueprint, Response, request

from idprotect import notifications, pages
from idprotect.api import findings, problems
from idprotect.models import session

PREFIX = "/api/v1"
LARGEST_BODY = 64 * 1024

#: Called by applications with a token of their own; no cookie is looked at, so there is nothing to forge.
ENDPOINTS = frozenset({"findings"})


def create_blueprint() -> Blueprint:
    """Return the blueprint with all routes."""
    blueprint = Blueprint("idprotect_api", __name__)
    blueprint.add_url_rule("/findings", "findings", findings.report, methods=["POST"])
    blueprint.before_request(_bound)
    blueprint.after_request(_finish)
    blueprint.teardown_request(_clean_up)
    problems.register(blueprint)
    return blueprint


def _bound() -> None:
    request.max_content_length = LARGEST_BODY


def _finish(response: Response) -> Response:
    if response.status_code < 400:
        notifications.flush()
    else:
        notifications.discard()
    return pages.secure(response)


def _clean_up(error: BaseException | None) -> None:
    """Whatever was not committed on purpose is undone."""
    session().rollback()
