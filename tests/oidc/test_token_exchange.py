"""Token exchange (RFC 8693): an API gets a token of its own for the user of a token that it was sent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt

from idprotect import clients, consents, protection, users
from idprotect.keys import sha256
from idprotect.models import Receipt, Token, TokenExchange, session
from idprotect.registration import TOKEN_EXCHANGE, Registration
from idprotect.retention import purge
from tests.oidc.conftest import POLICIES
from tests.oidc.server import Application, Person, Server, error_of
from tests.oidc.signing import KEY, STRANGER
from tests.oidc.test_dpop import post, proof, redeem
from tests.oidc.test_revocation_events import NEW_PASSWORD
from tests.support.world import PASSWORD, USER_RISK_POLICY

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
TYPES = "urn:ietf:params:oauth:token-type:"
NOTES_API, LEDGER, MAIL = "https://api.example", "https://ledger.example", "https://mail.example"
INVALID = (400, "invalid_request")
NOBODY = """
[[policy]]
name = "nobody"
state = "on"
clients = {{ include = ["{client_id}"] }}
then = {{ require = ["block"] }}
"""


def api(server: Server, **options: Any) -> Application:
    """Register an API that may exchange what it is sent, and may act for itself."""
    given = {
        "client_name": "Notes API",
        "grant_types": (TOKEN_EXCHANGE, "client_credentials"),
        "scope": "openid profile idprotect:introspect",
        "resource_identifier": NOTES_API,
        "resources": (LEDGER, MAIL),
    }
    return server.registered(**{**given, **options})


def exchange(application: Application, subject_token: str, /, **changes: str | None) -> Any:
    """Hand in a token for another."""
    form: dict[str, str | None] = {
        "grant_type": TOKEN_EXCHANGE,
        "subject_token": subject_token,
        "subject_token_type": ACCESS_TOKEN,
        **changes,
    }
    return application.post("/token", **{name: value for name, value in form.items() if value is not None})


def exchanged(application: Application, subject_token: str, /, **changes: str | None) -> str:
    """Return the token that another was exchanged for."""
    answer = exchange(application, subject_token, **changes)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["access_token"])


def own_token(application: Application) -> str:
    """Return a token of an application that acts for itself."""
    form = {"grant_type": "client_credentials", "scope": "idprotect:introspect"}
    return str(application.post("/token", **form).get_json()["access_token"])


@pytest.fixture
def notes(server: Server) -> Application:
    """An application whose tokens are for an API."""
    return server.application(resources=(NOTES_API,))


@pytest.fixture
def notes_api(server: Server) -> Application:
    """The API that they are for."""
    return api(server)


@pytest.fixture
def sent(notes: Application, signed_in: Person) -> str:
    """A token that the API was sent."""
    return str(notes.tokens(signed_in, resource=NOTES_API)["access_token"])


@pytest.mark.parametrize("audience", ["audience", "resource"])
@pytest.mark.parametrize("format", ["by reference", "JWT"])
def test_an_api_gets_a_token_for_the_next_one(
    server: Server, signed_in: Person, audience: str, format: str
) -> None:
    """C014, O 8693 2: whose it is, for whom, for what; whatever kind either token is of."""
    own = {"access_token_audience": NOTES_API} if format == "JWT" else {}
    notes = server.application(resources=(NOTES_API,), **own)
    notes_api = api(server, **own)
    sent = notes.tokens(signed_in, resource=NOTES_API)["access_token"]
    answer = exchange(
        notes_api, sent, **{audience: LEDGER}, scope="openid", requested_token_type=ACCESS_TOKEN
    )
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.get_json()
    members = {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert told.keys() == members, "no refresh token: it would outlive what was handed in"
    assert (told["issued_token_type"], told["token_type"], told["scope"]) == (
        ACCESS_TOKEN,
        "Bearer",
        "openid",
    )
    said = notes_api.introspect(told["access_token"])
    assert (said["active"], said["client_id"], said["sub"]) == (True, notes_api.id, signed_in.user_id)
    assert (said["aud"], said["scope"], said["acr"]) == (LEDGER, "openid", "aal1")
    assert "act" not in said, "without actor_token it stands in the user's place"
    if format == "JWT":
        claims = jwt.decode(told["access_token"], server.keys(), ["RS256"]).claims
        assert (claims["aud"], claims["sub"], claims["client_id"]) == (
            LEDGER,
            signed_in.user_id,
            notes_api.id,
        )
    assert notes_api.userinfo(told["access_token"]).get_json() == {"sub": signed_in.user_id}
    assert notes.introspect(sent)["active"], "what was handed in stays good"


def test_discovery_tells_of_the_grant(server: Server) -> None:
    """O 8414 2: with the other grants, each of which an application has to be registered for."""
    known = server.send("GET", "/.well-known/openid-configuration").get_json()
    assert TOKEN_EXCHANGE in known["grant_types_supported"]


def test_nothing_is_widened(server: Server, notes: Application, signed_in: Person) -> None:
    """O 8693 2.1: of the subject's scope what the client is registered for; never offline_access, never a claim more."""
    sent = notes.tokens(signed_in, resource=NOTES_API, scope="openid profile offline_access")["access_token"]
    notes_api = api(server, scope="openid profile email offline_access idprotect:introspect")
    assert notes_api.introspect(exchanged(notes_api, sent))["scope"] == "openid profile"
    for scope in ("email", "openid email", "offline_access", "idprotect:introspect", "x" * 2000):
        assert error_of(exchange(notes_api, sent, scope=scope)) == (400, "invalid_scope")
    nothing_in_common = api(server, scope="address idprotect:introspect")
    assert error_of(exchange(nothing_in_common, sent)) == (400, "invalid_scope")


def test_claims_that_were_wished_for_stay_with_the_first(
    notes: Application, notes_api: Application, signed_in: Person
) -> None:
    """OIDC Core 5.5: they were granted by name, beyond the scope, to somebody else."""
    claims = '{"userinfo": {"email": null}}'
    sent = notes.tokens(signed_in, resource=NOTES_API, scope="openid", claims=claims)["access_token"]
    assert "email" in notes.userinfo(sent).get_json()
    assert "email" not in notes_api.userinfo(exchanged(notes_api, sent)).get_json()


@pytest.mark.parametrize(
    "target",
    [
        {"resource": "https://evil.example"},
        {"audience": "ledger"},
        {"audience": LEDGER, "resource": MAIL},
        {"resource": NOTES_API},
        {"audience": " "},
    ],
)
def test_a_target_that_is_not_registered_is_refused(
    notes_api: Application, sent: str, target: dict[str, str]
) -> None:
    """O 8693 2.2.2: invalid_target."""
    assert error_of(exchange(notes_api, sent, **target)) == (400, "invalid_target")


def test_an_application_that_narrows_its_own_token(server: Server, signed_in: Person) -> None:
    """O 8693 1: for fewer scopes and one resource server, within what the grant was limited to."""
    both = ("authorization_code", "refresh_token", TOKEN_EXCHANGE)
    notes = server.application(resources=(LEDGER, MAIL), grant_types=both)
    sent = notes.tokens(signed_in)["access_token"]
    said = notes.introspect(exchanged(notes, sent, resource=LEDGER, scope="openid"))
    assert (said["aud"], said["scope"]) == (LEDGER, "openid")
    limited = notes.tokens(signed_in, resource=LEDGER)["access_token"]
    assert error_of(exchange(notes, limited, resource=MAIL)) == (400, "invalid_target")
    assert notes.introspect(exchanged(notes, limited))["aud"] == LEDGER


# Whose tokens


def test_only_whom_a_token_is_for_may_hand_it_in(
    server: Server, application: Application, notes_api: Application, sent: str, signed_in: Person
) -> None:
    """O 8693 5: a token that another API was sent, or that was meant for nobody, is none; and nothing says why."""
    other = api(server, resource_identifier=LEDGER)
    unnamed = api(server, resource_identifier=None)
    elsewhere = application.tokens(signed_in)["access_token"]
    answers = [exchange(other, sent), exchange(unnamed, sent), exchange(notes_api, elsewhere)]
    answers.append(exchange(notes_api, "nobody's"))
    assert {error_of(answer) for answer in answers} == {INVALID}
    assert len({answer.get_json()["error_description"] for answer in answers}) == 1
    by_id = server.application(access_token_audience=unnamed.id)
    assert exchanged(unnamed, by_id.tokens(signed_in)["access_token"])


def test_the_grant_is_each_clients_own(server: Server, application: Application, signed_in: Person) -> None:
    """A 10.4.4: grants per client; public ones, and those that register themselves, cannot have it."""
    sent = application.tokens(signed_in)["access_token"]
    assert error_of(exchange(application, sent)) == (400, "unauthorized_client")
    public = Registration(client_name="A", token_endpoint_auth_method="none", grant_types=(TOKEN_EXCHANGE,))
    assert [problem.field for problem in public.problems()] == ["grant_types"]
    unproved = server.application(public=True, grant_types=(TOKEN_EXCHANGE,))
    assert error_of(exchange(unproved, sent)) == (401, "invalid_client")


@pytest.mark.parametrize(
    "changes",
    [
        {"subject_token": None},
        {"subject_token": ""},
        {"subject_token_type": None},
        {"subject_token_type": f"{TYPES}id_token"},
        {"subject_token_type": f"{TYPES}refresh_token"},
        {"subject_token_type": f"{TYPES}jwt"},
        {"subject_token_type": "access_token"},
        {"requested_token_type": f"{TYPES}refresh_token"},
        {"requested_token_type": f"{TYPES}id_token"},
        {"requested_token_type": "\u2603"},
        {"actor_token": "x"},
        {"actor_token": "x", "actor_token_type": ACCESS_TOKEN},
        {"actor_token_type": ACCESS_TOKEN},
        {"actor_token": "x" * 20000, "actor_token_type": ACCESS_TOKEN},
        {"subject_token": "x" * 20000},
        {"subject_token": "a\0b"},
        {"subject_token": "eyJhbGciOiJub25lIn0.e30."},
    ],
)
def test_a_request_that_is_not_valid_is_told_so(
    notes_api: Application, sent: str, changes: dict[str, str | None]
) -> None:
    """O 8693 2.2.2: invalid_request, whatever is wrong; an ID token has no scope that could be narrowed."""
    assert error_of(exchange(notes_api, sent, **changes)) == INVALID


def test_other_tokens_are_no_access_tokens(
    notes: Application, notes_api: Application, signed_in: Person
) -> None:
    """O 8693 3: neither an ID token nor a refresh token nor a token without a user, whatever they are called."""
    tokens = notes.tokens(signed_in, resource=NOTES_API)
    for token in (tokens["id_token"], tokens["refresh_token"], own_token(notes_api)):
        assert error_of(exchange(notes_api, token)) == INVALID


# Who acts


def test_act_names_who_acts_for_the_user(server: Server, notes_api: Application, sent: str) -> None:
    """O 8693 1.1 and 4.1: the last one outside, whom it acted for inside; in JWT and introspection alike."""
    acting = exchanged(
        notes_api, sent, resource=LEDGER, actor_token=own_token(notes_api), actor_token_type=ACCESS_TOKEN
    )
    first = {"sub": notes_api.id, "client_id": notes_api.id}
    assert notes_api.introspect(acting)["act"] == first
    ledger = api(server, resource_identifier=LEDGER, access_token_audience=MAIL)
    actor = {"actor_token": own_token(ledger), "actor_token_type": ACCESS_TOKEN}
    token = exchanged(ledger, acting, **actor)
    chain = {"sub": ledger.id, "client_id": ledger.id, "act": first}
    assert ledger.introspect(token)["act"] == chain
    assert jwt.decode(token, server.keys(), ["RS256"]).claims["act"] == chain
    again = exchanged(ledger, acting)
    assert ledger.introspect(again)["act"] == first, "who acted before is not forgotten"


def test_a_person_acts_for_another(
    server: Server, notes: Application, notes_api: Application, sent: str, signed_in: Person
) -> None:
    """O 8693 1.1: the token is about the one, and tells of the other; it ends with the sign-in of either."""
    helper = server.person().sign_in()
    theirs = notes.tokens(helper, resource=NOTES_API)["access_token"]
    token = exchanged(notes_api, sent, actor_token=theirs, actor_token_type=ACCESS_TOKEN)
    said = notes_api.introspect(token)
    assert (said["sub"], said["act"]) == (signed_in.user_id, {"sub": helper.user_id})
    twice = exchange(notes_api, sent, actor_token=token, actor_token_type=ACCESS_TOKEN)
    assert error_of(twice) == INVALID, "who acts for somebody else is not that person"
    server.act(protection.confirm_compromised, helper.username, "admin", "leak")
    assert notes_api.introspect(token) == {"active": False}
    refused = exchange(notes_api, sent, actor_token=theirs, actor_token_type=ACCESS_TOKEN)
    assert (error_of(refused), refused.get_json()["suberror"]) == (INVALID, "login_required")
    assert notes_api.introspect(exchanged(notes_api, sent))["active"]


def test_a_pairwise_application_hears_its_own_subjects(
    server: Server, notes: Application, sent: str, signed_in: Person
) -> None:
    """OIDC Core 8: the user by the name of the one who asks, and so whoever acts."""
    helper = server.person().sign_in()
    theirs = notes.tokens(helper, resource=NOTES_API)["access_token"]
    private = api(server, subject_type="pairwise", redirect_uris=("https://private.example/cb",))
    said = private.introspect(exchanged(private, sent, actor_token=theirs, actor_token_type=ACCESS_TOKEN))
    assert not {said["sub"], said["act"]["sub"]} & {signed_in.user_id, helper.user_id}
    assert said["sub"] != said["act"]["sub"]


# The gate


def test_who_is_over_the_limit_is_refused_until_recovered(server: Server) -> None:
    """Issue 5, product 5: the same suberror as at a refresh; the same token works again after recovery."""
    person = server.person(authenticators=("totp",)).sign_in()
    notes, notes_api = server.application(resources=(NOTES_API,)), api(server)
    tokens = notes.tokens(person, resource=NOTES_API)
    before = exchanged(notes_api, tokens["access_token"])
    server.act(protection.confirm_compromised, person.username, "admin", "leak", end_sessions=False)
    refused, at_refresh = exchange(notes_api, tokens["access_token"]), notes.refresh(tokens["refresh_token"])
    assert error_of(refused) == INVALID
    assert refused.get_json()["suberror"] == at_refresh.get_json()["suberror"] == "interaction_required"
    assert notes_api.introspect(before) == {"active": False}
    person.go(notes.url()).prove().submit({"current": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD})
    assert exchange(notes_api, tokens["access_token"]).status_code == 200
    assert notes_api.introspect(before)["active"]


@pytest.mark.parametrize("kept_from", ["notes", "notes_api"])
def test_the_gate_is_asked_about_both_applications(
    server: Server, notes: Application, notes_api: Application, sent: str, kept_from: str
) -> None:
    """I2: who may not use the first any more gets nothing by way of the second, and the other way round."""
    nobody = NOBODY.format(client_id={"notes": notes, "notes_api": notes_api}[kept_from].id)
    server.apply(USER_RISK_POLICY, POLICIES, nobody)
    try:
        refused = exchange(notes_api, sent)
    finally:
        server.apply(USER_RISK_POLICY, POLICIES)
    assert (error_of(refused), refused.get_json()["suberror"]) == (INVALID, "access_denied")
    assert exchange(notes_api, sent).status_code == 200


def test_each_question_leaves_its_receipt(
    server: Server, notes: Application, notes_api: Application, sent: str, signed_in: Person
) -> None:
    """Product 3: about the application that was signed in to, and the one that gets the token."""
    exchanged(notes_api, sent, scope="openid")
    with server.arranging():
        of_this_kind = Receipt.user_id == signed_in.user_id, Receipt.endpoint == "exchange"
        receipts = session().query(Receipt).filter(*of_this_kind).order_by(Receipt.id).all()
        assert [receipt.client_id for receipt in receipts] == [notes.id, notes_api.id]
        assert receipts[1].facts["scopes"] == ["openid"]


# How it ends


def sign_out(server: Server, notes: Application, person: Person, sent: str) -> None:
    """The person leaves."""
    person.go("/sign-out").submit()


def lock_down(server: Server, notes: Application, person: Person, sent: str) -> None:
    """An administrator ends everything at once."""
    server.act(users.lock_down, person.username, "admin", "stolen")


def delete(server: Server, notes: Application, person: Person, sent: str) -> None:
    """An administrator deletes the user."""
    server.act(users.delete, person.username, "admin", "gone")


def revoke(server: Server, notes: Application, person: Person, sent: str) -> None:
    """The first application gives its token back."""
    assert notes.post("/revoke", token=sent).status_code == 200


def take_consent_back(server: Server, notes: Application, person: Person, sent: str) -> None:
    """The person does not want the first application any more."""
    server.act(consents.revoke, person.username, notes.id)


def disable_the_application(server: Server, notes: Application, person: Person, sent: str) -> None:
    """An administrator disables the first application."""
    with server.arranging():
        clients.set_enabled(notes.row(), False, "admin")


def take_a_resource_away(server: Server, notes: Application, person: Person, sent: str) -> None:
    """The first application may not have tokens for the API any more."""
    with server.arranging():
        client = notes.row()
        clients.change(client, replace(clients.registration_of(client), resources=()), "admin")


@pytest.mark.parametrize(
    "event",
    [sign_out, lock_down, delete, revoke, take_consent_back, disable_the_application, take_a_resource_away],
)
def test_a_token_ends_with_the_one_behind_it(
    server: Server,
    notes: Application,
    notes_api: Application,
    sent: str,
    signed_in: Person,
    event: Callable[[Server, Application, Person, str], None],
) -> None:
    """Section 7: nothing that came of it outlives it, however often it was handed on."""
    first = exchanged(notes_api, sent, resource=LEDGER)
    ledger = api(server, resource_identifier=LEDGER)
    second = exchanged(ledger, first)
    assert ledger.introspect(second)["active"]
    server.clock.move(seconds=1)
    event(server, notes, signed_in, sent)
    assert notes_api.introspect(first) == ledger.introspect(second) == {"active": False}
    assert error_of(ledger.userinfo(second)) == (401, "invalid_token")
    for application, token in ((notes_api, sent), (ledger, first)):
        assert error_of(exchange(application, token)) == INVALID


def test_a_stolen_refresh_token_takes_it_along(
    notes: Application, notes_api: Application, signed_in: Person
) -> None:
    """C003: what comes twice ends its family, and all that was exchanged for one of it."""
    tokens = notes.tokens(signed_in, resource=NOTES_API)
    token = exchanged(notes_api, tokens["access_token"])
    notes.refresh(tokens["refresh_token"])
    assert notes_api.introspect(token)["active"]
    notes.refresh(tokens["refresh_token"])
    assert notes_api.introspect(token) == {"active": False}


def test_it_lives_no_longer_than_what_was_handed_in(
    server: Server, notes: Application, notes_api: Application, sent: str
) -> None:
    """O 8693 2.2.1: expires_in is what is left."""
    server.clock.move(minutes=9)
    answer = exchange(notes_api, sent).get_json()
    assert 0 < answer["expires_in"] <= 60
    said = notes_api.introspect(answer["access_token"])
    assert said["exp"] <= notes.introspect(sent)["exp"]
    server.clock.move(minutes=1)
    assert notes_api.introspect(answer["access_token"]) == {"active": False}
    assert error_of(exchange(notes_api, sent)) == INVALID
    server.clock.move(days=2)
    with server.arranging():
        purge()
        assert session().query(TokenExchange).count() == 0


def test_a_token_that_is_being_deleted_is_worth_nothing(
    server: Server, notes_api: Application, sent: str
) -> None:
    """Section 12: whoever looks between the one row and the other gets an answer, and no error of ours."""
    first = exchanged(notes_api, sent)
    second = exchanged(notes_api, first)
    with server.arranging():
        row = session().query(Token).filter_by(access_hash=sha256(first)).one()
        session().query(TokenExchange).filter_by(token_id=row.id).delete()
    assert notes_api.introspect(first) == notes_api.introspect(second) == {"active": False}
    assert error_of(exchange(notes_api, first)) == INVALID


def test_a_token_is_handed_on_four_times(notes_api: Application, sent: str) -> None:
    """Section 12: each use looks at all of them, so there are few."""
    for _ in range(4):
        sent = exchanged(notes_api, sent)
    assert error_of(exchange(notes_api, sent)) == INVALID


# Tokens bound to a key


def test_a_bound_token_is_exchanged_by_the_holder_of_its_key(
    server: Server, signed_in: Person, notes_api: Application
) -> None:
    """O 9449 7.1: whoever overheard it gets nothing; what the holder gets is bound, too."""
    both = ("authorization_code", TOKEN_EXCHANGE)
    holder = server.application(resources=(NOTES_API,), grant_types=both)
    bound = redeem(holder, signed_in, proof(), resource=NOTES_API).get_json()["access_token"]
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": bound, "subject_token_type": ACCESS_TOKEN}
    for application in (holder, notes_api):
        assert error_of(post(application, **form)) == INVALID
        assert error_of(post(application, proof(key=STRANGER), **form)) == INVALID
    told = post(holder, proof(), **form).get_json()
    assert told["token_type"] == "DPoP"
    assert holder.introspect(told["access_token"])["cnf"] == {"jkt": KEY.thumbprint()}


def test_a_token_of_anybody_becomes_one_of_the_keys_holder(notes_api: Application, sent: str) -> None:
    """C012: an API that proves a key gets a token that is bound to it."""
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token": sent, "subject_token_type": ACCESS_TOKEN}
    told = post(notes_api, proof(), **form).get_json()
    assert (told["token_type"], told["expires_in"] <= 600) == ("DPoP", True)
