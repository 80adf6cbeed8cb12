"""The interface for other systems: JSON, access tokens instead of cookies, errors by RFC 9457.

:data:`ROUTES` is the whole of it: what answers, who may ask, and the OpenAPI document are all made of that table.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.routing import PathConverter

from idprotect import notifications, pages
from idprotect.api import (
    acts,
    applications,
    document,
    drafts,
    findings,
    locations,
    policies,
    policy_changes,
    problems,
    risk,
    terms,
)
from idprotect.api.problems import Problem
from idprotect.api.routes import Route, not_found
from idprotect.models import session
from idprotect.runtime import settings

PREFIX = "/api/v1"
LARGEST_BODY, LONGEST_QUERY = 64 * 1024, 8 * 1024
ANY_PATH = "idprotect_any_path"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

ROUTES: Sequence[Route] = (
    *risk.ROUTES,
    *acts.ROUTES,
    *policies.ROUTES,
    *policy_changes.ROUTES,
    *drafts.ROUTES,
    *locations.ROUTES,
    *terms.ROUTES,
    *applications.ROUTES,
    findings.FINDINGS,
)


class AnyPath(PathConverter):
    """The rest of an address, whatever stands in it: with a line break it is answered in our form, too."""

    regex = "[^/](?s:.)*?"


def _at_each_path() -> Mapping[str, Mapping[str, Route]]:
    """Return path → method → route."""
    found: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.method] = route
    return found


def _name(path: str) -> str:
    return re.sub(r"[^a-z]+", "_", path).strip("_")


PATHS = _at_each_path()
#: Flask's names of the paths. Called with a token; no cookie is looked at, so there is nothing to forge.
ENDPOINTS = frozenset({_name(path) for path in PATHS})
#: What is answered without a token: the description, and that nothing else is here.
PUBLIC = frozenset({"openapi", "nothing"})


def create_blueprint() -> Blueprint:
    """Return the blueprint with all routes."""
    blueprint = Blueprint("idprotect_api", __name__)
    blueprint.record(lambda state: state.app.url_map.converters.update({ANY_PATH: AnyPath}))
    for path in PATHS:
        # The id of a client can be a URL.
        rule = re.sub(r"{(\w+)}", r"<\1>", path).replace("<client_id>", f"<{ANY_PATH}:client_id>")
        # All methods come here, so that those which a path has not are answered in our form, too.
        blueprint.add_url_rule(
            rule, _name(path), _answering(PATHS[path]), methods=METHODS, provide_automatic_options=False
        )
    blueprint.add_url_rule("/openapi.json", "openapi", _openapi)
    for rule in ("/", f"/<{ANY_PATH}:rest>"):
        blueprint.add_url_rule(rule, "nothing", _nothing, methods=METHODS, provide_automatic_options=False)
    blueprint.before_request(_bound)
    blueprint.after_request(_finish)
    blueprint.teardown_request(_clean_up)
    problems.register(blueprint)
    return blueprint


def _answering(methods: Mapping[str, Route]) -> Any:
    def view(**arguments: str) -> Response:
        route = methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            allowed = ", ".join(sorted({*methods} | ({"HEAD"} if "GET" in methods else set())))
            raise Problem(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": allowed})
        return route.answer(arguments)

    return view


def _openapi() -> Response:
    """Answer with the description of all this."""
    issuer = settings().issuer
    return jsonify(document.describe(ROUTES, f"{issuer}{PREFIX}", f"{issuer}/token"))


def _nothing(rest: str = "") -> Response:
    """Say in our form that nothing is here."""
    not_found()


def _bound() -> None:
    request.max_content_length = LARGEST_BODY
    if len(request.query_string) > LONGEST_QUERY:
        raise Problem(HTTPStatus.BAD_REQUEST, "The address is too long.")
    if not request.query_string.isascii():  # Werkzeug would raise on what is no UTF-8
        raise Problem(HTTPStatus.BAD_REQUEST, "The address has bytes that no address has.")


def _finish(response: Response) -> Response:
    if response.status_code < 400:
        notifications.flush()
    else:
        notifications.discard()
    return pages.secure(response)


def _clean_up(error: BaseException | None) -> None:
    """Whatever was not committed on purpose is undone."""
    session().rollback()
