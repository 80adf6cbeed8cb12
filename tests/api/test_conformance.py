"""The whole API, driven from its own description: whatever is sent, the answer is one that it announces."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

from idprotect import api, policy_drafts, protection
from idprotect.api.routes import Route
from idprotect.models import Receipt, RiskDetection, SignIn
from idprotect.registration import OWN_SCOPES
from tests.oidc.server import Server
from tests.oidc.test_client_credentials import service, token_of
from tests.terms.rules import make_terms

load_all_checks()
#: What has to hold of every answer. What is good in form may still be refused by the policies' own rules.
CHECKED = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "missing_required_header",
    ]
)
#: What is bad may be too large as well.
CONFIG = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}}})
EXAMPLES = 6
OPERATIONS = [(route, GenerationMode.POSITIVE) for route in api.ROUTES]
#: There is nothing to say wrongly where nothing can be said.
OPERATIONS += [
    (route, GenerationMode.NEGATIVE)
    for route in api.ROUTES
    if route.parameters or route.body or "{" in route.path
]


@pytest.fixture(scope="module")
def client(server: Server) -> str:
    """Return the token of an application that may do everything."""
    scopes = tuple(OWN_SCOPES)
    return token_of(service(server, scope=" ".join(scopes)), " ".join(scopes))


@pytest.fixture(scope="module")
def schema(server: Server) -> Any:
    """Return the description as the server gives it out."""
    front = server.front.wsgi_app

    def reached_as_the_issuer(environ: dict[str, Any], start_response: Any) -> Any:
        return front({**environ, "HTTP_HOST": "id.example", "wsgi.url_scheme": "https"}, start_response)

    return schemathesis.openapi.from_wsgi(f"{api.PREFIX}/openapi.json", reached_as_the_issuer, config=CONFIG)


@pytest.fixture(scope="module")
def ids(server: Server) -> dict[str, Any]:
    """Return what really is there, by the names of arguments."""
    person = server.person().sign_in()
    server.application().code(person)
    server.act(protection.confirm_compromised, person.username, "test", end_sessions=False)
    make_terms(server, "office")
    with server.arranging():
        draft_id = policy_drafts.create("Spring", "", 0, "test").id
    with server.arranging():
        session = server.app.extensions["idprotect"].db.session
        return {
            "user_id": person.user_id,
            "sign_in_id": session.query(SignIn.id).filter(SignIn.user_id == person.user_id).first()[0],
            "detection_id": session.query(RiskDetection.id).first()[0],
            "number": session.query(Receipt.id).first()[0],
            "version": 1,
            "client_id": service(server).id,
            "name": "office",
            "draft_id": draft_id,
        }


@pytest.mark.parametrize(
    ("route", "mode"), OPERATIONS, ids=[f"{route.name}-{mode.value}" for route, mode in OPERATIONS]
)
def test_every_answer_is_one_that_the_description_announces(
    schema: Any, client: str, ids: dict[str, Any], route: Route, mode: GenerationMode
) -> None:
    """F113, C096: good and bad input, to things that are there and not; never a 5xx, and bad input is refused."""
    operation = schema[route.path][route.method]
    headers = {"Authorization": f"Bearer {client}"}

    @given(case=operation.as_strategy(generation_mode=mode), exists=st.booleans())
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    def drive(case: Case, exists: bool) -> None:
        if exists and mode is GenerationMode.POSITIVE:
            case.path_parameters.update({name: ids[name] for name in case.path_parameters})
            if isinstance(case.body, dict) and "reason" in case.body:
                case.body["reason"] = "a test"  # most of what is generated cannot be shown, and is refused
            if "If-Match" in case.headers:
                case.headers["If-Match"] = "*"
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=CHECKED)

    drive()
