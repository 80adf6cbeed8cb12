"""The conformance suite: what is written about it is true, and what it needs is set up by one command."""

import json

from conformance.plans import PLANS
from tests.oidc.conformance import DOCUMENT, RESULTS, document, missing
from tests.oidc.server import Application, Person, Server
from tests.support.world import PASSWORD

SUITE = "https://suite.example/test/a/idprotect"


def test_the_document_names_the_tests_that_there_are() -> None:
    """C021: made anew by ``python -m tests.oidc.conformance``."""
    assert missing() == []
    assert DOCUMENT.read_text() == document()


def test_the_results_are_of_whole_plans() -> None:
    """C021: left by ``python -m conformance.run``; of all plans, with what was skipped and what failed."""
    plans = json.loads(RESULTS.read_text())["plans"]
    assert [plan["name"] for plan in plans] == [plan.name for plan in PLANS]
    assert all(plan["modules"] for plan in plans)


def test_one_command_sets_the_suite_up(server: Server) -> None:
    """C021: its clients, without PKCE and nonce, and a person with every claim, at the suite's addresses."""
    arguments = ("conformance-profile", "--password-stdin", "--json", SUITE)
    result = server.cli(*arguments, stdin=f"{PASSWORD}\n")
    assert result.exit_code == 0, result.output
    made = json.loads(result.output)
    for name, method in (
        ("client", "client_secret_basic"),
        ("client2", "client_secret_basic"),
        ("client_secret_post", "client_secret_post"),
    ):
        keys = made[name]
        application = Application(
            server, keys["client_id"], keys["client_secret"], method, f"{SUITE}/callback"
        )
        person = Person(server, "", made["username"])
        scope = "openid profile email address phone"
        without = {"code_challenge": None, "code_challenge_method": None, "nonce": None}
        person.go(application.url(scope=scope, **without)).sign_in()
        assert person.step == "consent"
        person.submit(button="allow")
        tokens = application.redeem(person.answer["code"], code_verifier=None).get_json()
        claims = application.userinfo(tokens["access_token"]).get_json()
        said = server.send("GET", "/.well-known/openid-configuration").get_json()
        about_sign_in = {
            "iss",
            "aud",
            "exp",
            "iat",
            "auth_time",
            "acr",
            "amr",
            "nonce",
            "at_hash",
            "sid",
            "risk_level",
        }
        assert claims.keys() == set(said["claims_supported"]) - about_sign_in
        hint = {
            "id_token_hint": tokens["id_token"],
            "post_logout_redirect_uri": f"{SUITE}/post_logout_redirect",
        }
        person.go("/end-session", "POST", hint)
        assert person.path == f"{SUITE}/post_logout_redirect"
