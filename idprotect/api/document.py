"""The description of the API (OpenAPI 3.1), made of the very routes that answer."""

import re
from collections.abc import Sequence
from typing import Any

from idprotect.api import problems
from idprotect.api.routes import Answer, Route
from idprotect.registration import OWN_SCOPES
from idprotect.version import __version__

#: What a status of a problem means.
PROBLEMS = {
    400: "The request makes no sense.",
    401: "There is no token, it is not valid (RFC 6750), or it lacks the proof of its key (RFC 9449).",
    403: "The token does not allow this.",
    404: "There is no such thing.",
    409: "As things stand this cannot be done.",
    412: "What was read has changed by now: read it again.",
    413: "The body has more than 64 KB.",
    415: "The body is not application/json.",
    422: "The body is not valid; each problem names its member.",
    428: "If-Match is missing (RFC 6585).",
    503: "The database does not answer; try again.",
}
TAGS = {
    "detections": "What was found suspicious, and what became of it.",
    "users": "People, their risk, and what is done about it.",
    "sign-ins": "Sign-ins and sessions.",
    "receipts": "Decisions, with everything they were made from.",
    "policies": "Conditional access.",
    "applications": "Clients: how they are registered, and their secrets.",
    "audit": "What happened, and who did it.",
    "findings": "What other systems found out.",
}
SECURITY = "client_credentials"


def describe(routes: Sequence[Route], base_url: str, token_url: str) -> dict[str, Any]:
    """Return the OpenAPI document.

    :param base_url: under which the paths are.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    flow = {"tokenUrl": token_url, "scopes": dict(OWN_SCOPES)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "idprotect",
            "version": __version__,
            "description": "What administrators read and do, for programs. See docs/api.md.",
        },
        "servers": [{"url": base_url}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {SECURITY: {"type": "oauth2", "flows": {"clientCredentials": flow}}},
            "schemas": {"Problem": problems.SCHEMA},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [route.tag],
        "summary": route.summary,
        "security": [{SECURITY: [scope]} for scope in route.scopes],
    }
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.body is not None:
        content = {"application/json": {"schema": route.body.schema()}}
        operation["requestBody"] = {"required": route.body.is_required, "content": content}
    answers = {str(status): _answer(answer) for status, answer in route.answers.items()}
    operation["responses"] = answers | {str(status): _problem(status) for status in _refusals(route)}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": route.argument_kind(name).schema()}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    in_query = [
        {"name": name, "in": "query", "description": member.about, "schema": member.kind.schema()}
        for name, member in route.parameters.items()
    ]
    if not route.precondition:
        return in_path + in_query
    about = "The ETag of what was read."
    header = {"name": "If-Match", "in": "header", "required": True, "description": about}
    return [*in_path, *in_query, {**header, "schema": {"type": "string"}}]


def _refusals(route: Route) -> list[int]:
    usual = {400, 401, 403, 503, *route.refusals}
    if route.body is not None:
        usual |= {413, 415, 422}
    return sorted(usual | ({412, 428} if route.precondition else set()))


def _answer(answer: Answer) -> dict[str, Any]:
    shown: dict[str, Any] = {"description": answer.about}
    if answer.schema is not None:
        shown["content"] = {"application/json": {"schema": answer.schema}}
    if answer.headers:
        shown["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in answer.headers.items()
        }
    return shown


def _problem(status: int) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": PROBLEMS[status], "content": content}
