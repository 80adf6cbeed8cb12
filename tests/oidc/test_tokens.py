"""Tokens: RFC 6749 sections 4.1.3 to 6, RFC 6750, RFC 7009, RFC 7662, OIDC Core sections 2, 3.1.3, 5.3 and 12."""

import hashlib
from base64 import urlsafe_b64encode
from urllib.parse import urlencode

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from sqlalchemy import func, select

from idprotect import protection
from idprotect.audit import Event
from idprotect.models import AuditEvent, AuthorizationCode, SignIn, Token, User, session
from tests.oidc.server import CALLBACK, ISSUER, VERIFIER, Application, Person, Server, basic, error_of

INVALID_GRANT = (400, "invalid_grant")
INVALID_REQUEST = (400, "invalid_request")
REFUSED = (401, "invalid_token")


def stored_tokens(server: Server, person: Person) -> int:
    """Return how many token rows a person has."""
    with server.arranging():
        statement = select(func.count()).select_from(Token).where(Token.user_id == person.user_id)
        return session().scalar(statement) or 0


def events(server: Server, person: Person, event: Event) -> int:
    """Return how many events of one name the audit log has about a person."""
    with server.arranging():
        wanted = (AuditEvent.user_id == person.user_id, AuditEvent.name == str(event))
        return session().scalar(select(func.count()).select_from(AuditEvent).where(*wanted)) or 0


# The answer


@pytest.mark.parametrize("kind", ["client_secret_basic", "client_secret_post", "none"])
def test_a_code_becomes_tokens(server: Server, signed_in: Person, kind: str) -> None:
    """C001, O 6749 5.1, C 3.1.3.3: for confidential and public clients; never stored by anybody on the way."""
    options = {"public": True} if kind == "none" else {"token_endpoint_auth_method": kind}
    application = server.application(**options)
    response = application.redeem(application.code(signed_in))
    assert response.status_code == 200
    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    tokens = response.get_json()
    assert tokens.keys() == {"token_type", "access_token", "expires_in", "scope", "refresh_token", "id_token"}
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] <= 600
    assert tokens["scope"] == "openid profile email offline_access"


def test_tokens_are_random_references_stored_as_hashes(server: Server, signed_in: Person) -> None:
    """SR6 access tokens are references, refresh tokens hashed: what the database holds opens nothing."""
    application = server.application()
    tokens = [application.tokens(signed_in) for _ in range(5)]
    values = [value for token in tokens for value in (token["access_token"], token["refresh_token"])]
    assert len(set(values)) == 10
    assert all(len(value) >= 43 and "." not in value for value in values)
    with server.arranging():
        rows = session().scalars(select(Token).where(Token.user_id == signed_in.user_id)).all()
        stored = "\n".join(str(vars(row)) for row in rows)
    assert not any(value in stored for value in values)
    for value in values:
        digest = hashlib.sha256(value.encode()).hexdigest()
        assert digest in stored
        assert application.userinfo(digest).status_code == 401


def test_an_id_token_says_who_where_when_and_how(server: Server, person: Person) -> None:
    """C 2, C 5.4, SR6 ID tokens: every claim, and none too many; aud is a string, sub is opaque.

    C021, OIDCCScopeEmail: what scopes ask for is at userinfo, and in no ID token, which others than its client get to see.
    """
    application = server.application()
    before = int(server.clock.now().timestamp())
    tokens = application.tokens(person)
    claims = application.claims(tokens["id_token"])
    now = server.clock.now().timestamp()
    assert claims["iss"] == ISSUER
    assert claims["aud"] == application.id
    assert claims["sub"] == person.user_id
    assert before <= claims["auth_time"] <= claims["iat"] <= now
    assert claims["iat"] < claims["exp"] <= claims["iat"] + 3600
    assert claims["nonce"] == "a-nonce"
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == urlsafe_b64encode(half).rstrip(b"=").decode()
    assert person.username not in claims["sub"]
    assert claims.keys() == {
        *("iss", "aud", "sub", "exp", "iat", "auth_time", "acr", "amr", "nonce", "at_hash", "sid"),
    }


def test_without_openid_there_is_no_id_token(server: Server, signed_in: Person) -> None:
    """C 3.1.2.1: nor anything at userinfo."""
    application = server.application()
    plain = application.tokens(signed_in, scope="profile")
    assert "id_token" not in plain
    assert error_of(application.userinfo(plain["access_token"])) == (403, "insufficient_scope")


def test_a_refresh_token_comes_with_offline_access_only(server: Server, signed_in: Person) -> None:
    """C 11, A 10.4.5: and only to clients that are registered for it."""
    application = server.application()
    assert "refresh_token" not in application.tokens(signed_in, scope="openid profile")
    assert "refresh_token" in application.tokens(signed_in, scope="openid offline_access")
    without = server.application(grant_types=("authorization_code",))
    assert "refresh_token" not in without.tokens(signed_in, scope="openid offline_access")


# Redeeming a code


@pytest.mark.parametrize("kind", ["confidential", "public"])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"code_verifier": None}, INVALID_GRANT),
        ({"code_verifier": "x" * 42}, INVALID_REQUEST),
        ({"code_verifier": "x" * 129}, INVALID_REQUEST),
        ({"code_verifier": VERIFIER + "!"}, INVALID_REQUEST),
        ({"code_verifier": VERIFIER[:-1] + "X"}, INVALID_GRANT),
        ({"code_verifier": create_s256_code_challenge(VERIFIER)}, INVALID_GRANT),
        ({"redirect_uri": None}, INVALID_GRANT),
        ({"redirect_uri": CALLBACK + "/"}, INVALID_GRANT),
        ({"redirect_uri": "https://app.example/other"}, INVALID_GRANT),
        ({"code": None}, INVALID_REQUEST),
        ({"code": "unknown"}, INVALID_GRANT),
        ({"code": ""}, INVALID_REQUEST),
    ],
)
def test_a_code_is_bound_to_challenge_and_redirect_uri(
    server: Server, signed_in: Person, kind: str, change: dict[str, str | None], error: tuple[int, str]
) -> None:
    """SR6 codes and PKCE, B 4.5, 4.8: nothing is issued, and who has only the code cannot burn it for the owner.

    C021, FAPI2SPFinalPAREnsurePKCECodeVerifierRequired: a code without its verifier is as bad as with a wrong one.
    """
    application = server.application(
        public=kind == "public", redirect_uris=(CALLBACK, "https://app.example/other")
    )
    code = application.code(signed_in)
    assert error_of(application.redeem(code, **change)) == error
    assert stored_tokens(server, signed_in) == 0
    assert application.redeem(code).status_code == 200


def test_a_code_is_bound_to_its_client(server: Server, signed_in: Person) -> None:
    """SR6 codes, B 4.5: another client, however well authenticated, can neither use it nor burn it."""
    application, other = server.application(), server.application()
    public = server.application(public=True)
    code = application.code(signed_in)
    for thief in (other, public):
        assert error_of(thief.redeem(code)) == INVALID_GRANT
    assert stored_tokens(server, signed_in) == 0
    assert application.redeem(code).status_code == 200
    for thief in (other, public):
        assert error_of(thief.redeem(code)) == INVALID_GRANT
    assert events(server, signed_in, Event.CODE_REUSED) == 0, "and does not get the owner's tokens revoked"


def test_a_code_lives_for_sixty_seconds_from_its_issue(server: Server) -> None:
    """SR6 codes ≤ 60 s from issue, independent of auth_time: single sign-on gives codes as fresh as any."""
    application, person = server.application(), server.person().sign_in()
    server.clock.move(minutes=50)
    code = application.code(person)
    server.clock.move(seconds=58)
    assert application.redeem(code).status_code == 200
    late = application.code(person)
    server.clock.move(seconds=61)
    assert error_of(application.redeem(late)) == INVALID_GRANT
    server.clock.move(seconds=-10_000)
    early = application.code(person)
    server.clock.move(seconds=10_000)
    assert error_of(application.redeem(early)) == INVALID_GRANT
    assert error_of(application.redeem(late)) == INVALID_GRANT


def cure(server: Server, person: Person) -> list[str]:
    """Let an administrator dismiss the user's risk; return what it was made of."""
    with server.arranging():
        user = session().get_one(User, person.user_id)
        found = [detection.name for detection in protection.open_detections(user.id)]
        protection.dismiss(user, "test", "the test did it")
        session().commit()
    return found


def test_a_code_that_comes_twice_revokes_what_it_gave(server: Server, signed_in: Person) -> None:
    """SR6 reuse, O 6749 4.1.2, A 10.4.2: access and refresh tokens, also those that were refreshed since; once in the log."""
    application = server.application()
    code = application.code(signed_in)
    first = application.redeem(code).get_json()
    second = application.refresh(first["refresh_token"]).get_json()
    untouched = application.tokens(signed_in)
    assert error_of(application.redeem(code)) == INVALID_GRANT
    for token in (first, second):
        assert error_of(application.userinfo(token["access_token"])) == REFUSED
        assert application.introspect(token["access_token"]) == {"active": False}
        assert application.introspect(token["refresh_token"]) == {"active": False}
    assert error_of(application.refresh(second["refresh_token"])) == INVALID_GRANT
    assert events(server, signed_in, Event.CODE_REUSED) == 1
    cure(server, signed_in)
    assert application.userinfo(untouched["access_token"]).status_code == 200
    assert application.code(signed_in), "the session itself goes on"


def test_a_code_that_comes_twice_after_a_minute_revokes_too(server: Server, signed_in: Person) -> None:
    """O 6749 4.1.2: an expired code was stolen no less."""
    application = server.application()
    code = application.code(signed_in)
    tokens = application.redeem(code).get_json()
    server.clock.move(seconds=120)
    assert error_of(application.redeem(code)) == INVALID_GRANT
    assert error_of(application.userinfo(tokens["access_token"])) == REFUSED


def test_a_refused_redemption_leaves_nothing_behind(server: Server, signed_in: Person) -> None:
    """I5, section 12: no half effects."""
    application = server.application()
    code = application.code(signed_in)
    for _ in range(3):
        application.redeem(code, code_verifier=VERIFIER[:-1] + "X")
    with server.arranging():
        rows = session().scalars(
            select(AuthorizationCode).where(AuthorizationCode.user_id == signed_in.user_id)
        )
        assert [row.used_at for row in rows] == [None]
    assert stored_tokens(server, signed_in) == 0


# The endpoint


def test_parameters_come_from_the_body_alone(server: Server, signed_in: Person) -> None:
    """SR6 nothing from the query, O 6749 3.2."""
    application = server.application(public=True)
    form = {
        "grant_type": "authorization_code",
        "client_id": application.id,
        "code": application.code(signed_in),
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    for name, value in form.items():
        body = {key: other for key, other in form.items() if key != name}
        response = server.send("POST", "/token?" + urlencode({name: value}), body)
        assert response.status_code in (400, 401), name
    misleading = urlencode(
        {"code": "wrong", "grant_type": "password", "redirect_uri": "https://evil.example"}
    )
    assert server.send("POST", f"/token?{misleading}", form).status_code == 200


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "implicit",
        "",
        None,
        "Authorization_Code",
        "authorization_code refresh_token",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:device_code",
        "x" * 1000,
    ],
)
def test_other_grants_do_not_exist(application: Application, person: Person, grant_type: str | None) -> None:
    """SR6 no implicit, no password grant, A 10.4.4."""
    form = {"username": person.username, "password": "seven quiet herons over slate", "scope": "openid"}
    if grant_type is not None:
        form["grant_type"] = grant_type
    status, error = error_of(application.post("/token", **form))
    assert (status, error) in ((400, "unsupported_grant_type"), INVALID_REQUEST)


def test_grants_are_per_client(server: Server, signed_in: Person) -> None:
    """A 10.4.4: a client that lost a grant cannot use what it holds of it."""
    application = server.application()
    tokens, code = application.tokens(signed_in), application.code(signed_in)
    with server.arranging():
        application.row().grant_types = ["authorization_code"]
    assert error_of(application.refresh(tokens["refresh_token"])) == (400, "unauthorized_client")
    with server.arranging():
        application.row().grant_types = ["refresh_token"]
    assert error_of(application.redeem(code)) == (400, "unauthorized_client")


@pytest.mark.parametrize("raw", ["%00", "%ff", "%ed%a0%80", "%0a", "%e2%98%83"])
@pytest.mark.parametrize(
    "name", ["code", "redirect_uri", "code_verifier", "client_id", "grant_type", "refresh_token"]
)
def test_odd_bytes_are_refused(application: Application, name: str, raw: str) -> None:
    """Stack notes 3.3, A 15.3.5: NUL, invalid UTF-8, surrogates, control characters, in every field."""
    body = f"grant_type=authorization_code&code=x&redirect_uri=x&code_verifier=x&{name}2=x&{name}={raw}"
    body = "&".join({pair.partition("=")[0]: pair for pair in body.split("&")}.values())
    headers = {"Authorization": basic(application.id, application.secret)}
    response = application.server.send(
        "POST", "/token", body, headers, content_type="application/x-www-form-urlencoded"
    )
    assert error_of(response) == INVALID_REQUEST


def test_a_body_that_is_too_large_is_refused(application: Application) -> None:
    """Section 14: 64 KB, before costly work."""
    response = application.post("/token", grant_type="authorization_code", code="x" * 70_000)
    assert response.status_code == 413


# Refreshing


def test_a_refresh_token_is_used_once_and_replaced(server: Server, signed_in: Person) -> None:
    """C003, SR6 rotation: new access, refresh and ID token; the old access token lives out its ten minutes."""
    application = server.application()
    tokens = application.tokens(signed_in)
    for _ in range(4):
        response = application.refresh(tokens["refresh_token"])
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        new = response.get_json()
        assert new.keys() == {"token_type", "access_token", "expires_in", "scope", "refresh_token"}
        assert new["refresh_token"] != tokens["refresh_token"]
        assert new["access_token"] != tokens["access_token"]
        assert application.userinfo(tokens["access_token"]).status_code == 200
        assert application.introspect(tokens["refresh_token"]) == {"active": False}
        tokens = new


@pytest.mark.parametrize("wanted", [False, True])
def test_a_refresh_brings_an_id_token_to_clients_that_registered_for_it(
    server: Server, signed_in: Person, wanted: bool
) -> None:
    """C 12.2: the answer to a refresh might not contain an ID token; whoever wants one says so once."""
    application = server.application(id_token_at_refresh=wanted)
    tokens = application.tokens(signed_in)
    assert "id_token" in tokens
    for _ in range(2):
        tokens = application.refresh(tokens["refresh_token"]).get_json()
        assert ("id_token" in tokens) == wanted


def test_an_id_token_by_refresh_tells_the_same_story(server: Server) -> None:
    """C 12.2: same iss, sub, aud, auth_time, acr, amr; new iat and at_hash; no nonce."""
    application = server.application(id_token_at_refresh=True)
    person = server.person(authenticators=("totp",), groups=("careful",)).sign_in().prove()
    tokens = application.tokens(person)
    first = application.claims(tokens["id_token"])
    assert first["acr"] == "aal2"
    server.clock.move(hours=3)
    second = application.claims(application.refresh(tokens["refresh_token"]).get_json()["id_token"])
    assert {name: second[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr")} == {
        name: first[name] for name in ("iss", "sub", "aud", "auth_time", "acr", "amr")
    }
    assert second["iat"] >= first["iat"] + 3 * 3600
    assert second["at_hash"] != first["at_hash"]
    assert "nonce" not in second


def test_a_step_up_does_not_make_older_tokens_stronger(server: Server) -> None:
    """F112: what a refresh token tells is what was true when its code was issued."""
    application = server.application(id_token_at_refresh=True)
    person = server.person(authenticators=("totp",)).sign_in()
    tokens = application.tokens(person)
    server.act(lambda user: setattr(user, "groups", ["careful"]), person.username)
    person.go(application.url())
    assert person.step == "mfa"
    person.prove()
    refreshed = application.refresh(tokens["refresh_token"]).get_json()
    assert application.claims(refreshed["id_token"])["acr"] == "aal1"


@pytest.mark.parametrize("presented_again", ["first", "second"])
def test_a_refresh_token_that_comes_twice_kills_its_family(
    server: Server, signed_in: Person, presented_again: str
) -> None:
    """C003, F015, SR6 reuse, B 4.14: thief and owner are both out, and the user is at high risk.

    Other families are not revoked: they are worth something again once that is cured.
    """
    application = server.application()
    first = application.tokens(signed_in)
    second = application.refresh(first["refresh_token"]).get_json()
    third = application.refresh(second["refresh_token"]).get_json()
    other = application.tokens(signed_in)
    again = {"first": first, "second": second}[presented_again]
    assert error_of(application.refresh(again["refresh_token"])) == INVALID_GRANT
    for tokens in (first, second, third):
        assert error_of(application.refresh(tokens["refresh_token"])) == INVALID_GRANT
        assert error_of(application.userinfo(tokens["access_token"])) == REFUSED
    assert error_of(application.refresh(other["refresh_token"])) == INVALID_GRANT
    assert events(server, signed_in, Event.TOKEN_REUSED) >= 1
    assert cure(server, signed_in) == ["anomalous_token"]
    assert application.refresh(other["refresh_token"]).status_code == 200
    assert "code" in application.ask(signed_in, prompt="none")


def test_a_refresh_token_belongs_to_its_client(server: Server, signed_in: Person) -> None:
    """SR6 bound to client: another one can neither use it nor, by trying, get the family revoked."""
    application, other = server.application(), server.application()
    tokens = application.tokens(signed_in)
    assert error_of(other.refresh(tokens["refresh_token"])) == INVALID_GRANT
    new = application.refresh(tokens["refresh_token"]).get_json()
    assert error_of(other.refresh(tokens["refresh_token"])) == INVALID_GRANT
    assert application.refresh(new["refresh_token"]).status_code == 200


def test_a_refresh_may_narrow_the_scope_of_the_access_token(server: Server, signed_in: Person) -> None:
    """O 6749 6: less than was granted, never more; the refresh token keeps what was granted."""
    application = server.application()
    tokens = application.tokens(signed_in, scope="openid email offline_access")
    narrow = application.refresh(tokens["refresh_token"], scope="openid").get_json()
    assert narrow["scope"] == "openid"
    assert application.userinfo(narrow["access_token"]).get_json().keys() == {"sub"}
    assert error_of(application.refresh(narrow["refresh_token"], scope="openid profile")) == (
        400,
        "invalid_scope",
    )
    wide = application.refresh(narrow["refresh_token"]).get_json()
    assert wide["scope"] == "openid email offline_access"
    assert "email" in application.userinfo(wide["access_token"]).get_json()


def test_a_refresh_token_expires_when_it_is_not_used(server: Server) -> None:
    """SR6 idle expiry, section 14: 30 days, from each use anew."""
    application, person = server.application(), server.person()
    tokens = application.tokens(person)
    server.clock.move(days=29)
    tokens = application.refresh(tokens["refresh_token"]).get_json()
    server.clock.move(days=29)
    assert application.introspect(tokens["refresh_token"])["active"] is True
    tokens = application.refresh(tokens["refresh_token"]).get_json()
    server.clock.move(days=30, seconds=1)
    assert application.introspect(tokens["refresh_token"]) == {"active": False}
    assert error_of(application.refresh(tokens["refresh_token"])) == INVALID_GRANT


def test_a_family_ends_after_ninety_days_however_often_it_is_used(server: Server) -> None:
    """SR6 absolute expiry, section 14: never restarted by a refresh."""
    application, person = server.application(), server.person()
    tokens = application.tokens(person)
    for _ in range(4):
        server.clock.move(days=20)
        tokens = application.refresh(tokens["refresh_token"]).get_json()
    server.clock.move(days=9, hours=23)
    tokens = application.refresh(tokens["refresh_token"]).get_json()
    server.clock.move(hours=1, seconds=5)
    assert application.introspect(tokens["refresh_token"]) == {"active": False}
    assert error_of(application.refresh(tokens["refresh_token"])) == INVALID_GRANT


def test_token_kinds_are_not_interchangeable(server: Server, signed_in: Person) -> None:
    """SR6 token kinds: access, refresh, ID token and code each open their own door only."""
    application = server.application()
    tokens, code = application.tokens(signed_in), application.code(signed_in)
    for wrong in (tokens["refresh_token"], tokens["id_token"], code):
        assert error_of(application.userinfo(wrong)) == REFUSED
    for wrong in (tokens["access_token"], tokens["id_token"], code):
        assert error_of(application.refresh(wrong)) == INVALID_GRANT
    for wrong in (tokens["access_token"], tokens["refresh_token"]):
        assert error_of(application.redeem(wrong)) == INVALID_GRANT
    assert application.refresh(tokens["refresh_token"]).status_code == 200


# Userinfo


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_userinfo_tells_what_the_scope_allows(server: Server, method: str) -> None:
    """C002, C 5.3: sub as in the ID token, always; by GET and POST."""
    application, person = server.application(), server.person(name="Ada Lovelace")
    tokens = application.tokens(person)
    response = application.userinfo(tokens["access_token"], method)
    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.get_json() == {
        "sub": application.claims(tokens["id_token"])["sub"],
        "name": "Ada Lovelace",
        "preferred_username": person.username,
        "email": f"{person.username}@example.org",
        "email_verified": False,
    }
    for scope, names in (("openid", set()), ("openid profile", {"name", "preferred_username"})):
        tokens = application.tokens(person, scope=scope)
        assert application.userinfo(tokens["access_token"], method).get_json().keys() == {"sub", *names}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic eDp5",
        "Token x",
        "Bearer x",
        "Bearer x y",
        "Bearer \xff",
        "bearer " + "x" * 4000,
    ],
)
def test_userinfo_without_a_good_token_is_a_401(server: Server, header: str) -> None:
    """O 6750 3: with a challenge; no error code where no token was sent."""
    response = server.send("GET", "/userinfo", headers={"Authorization": header} if header else None)
    assert response.status_code == 401
    challenge = response.headers["WWW-Authenticate"]
    assert challenge.startswith("Bearer")
    sent = header.lower().startswith("bearer ") and header.strip().lower() != "bearer"
    assert ("invalid_token" in challenge) == sent


def test_an_access_token_in_the_url_is_not_read(server: Server, signed_in: Person) -> None:
    """A 14.2.1, O 6750 2.2 and 5.3: tokens in URLs stand in logs; header or form, and one of them."""
    token = server.application().tokens(signed_in)["access_token"]
    form, header = {"access_token": token}, {"Authorization": f"Bearer {token}"}
    assert server.send("GET", f"/userinfo?access_token={token}").status_code == 401
    assert server.send("POST", f"/userinfo?access_token={token}").status_code == 401
    assert server.send("POST", "/userinfo", form).status_code == 200
    assert server.send("POST", "/userinfo", form, header).status_code == 401
    assert server.send("POST", "/userinfo", {"access_token": [token, token]}).status_code == 401
    assert server.send("POST", "/userinfo", {"access_token": ""}).status_code == 401


def test_an_access_token_lives_for_ten_minutes(server: Server, signed_in: Person) -> None:
    """SR6 access tokens ≤ 10 min, enforced at use."""
    application = server.application()
    tokens = application.tokens(signed_in)
    server.clock.move(seconds=tokens["expires_in"] - 2)
    assert application.userinfo(tokens["access_token"]).status_code == 200
    assert application.introspect(tokens["access_token"])["active"] is True
    server.clock.move(seconds=3)
    assert error_of(application.userinfo(tokens["access_token"])) == REFUSED
    assert application.introspect(tokens["access_token"]) == {"active": False}


def test_a_user_who_is_gone_takes_the_tokens_along(server: Server, person: Person) -> None:
    """A 7.4.2: no row, no answer, no error of ours."""
    application = server.application()
    tokens, code = application.tokens(person), application.code(person)
    with server.arranging():
        for sign_in in session().scalars(select(SignIn).where(SignIn.user_id == person.user_id)):
            session().delete(sign_in)
    assert error_of(application.userinfo(tokens["access_token"])) == REFUSED
    assert application.introspect(tokens["refresh_token"]) == {"active": False}
    assert error_of(application.refresh(tokens["refresh_token"])) == INVALID_GRANT
    assert error_of(application.redeem(code)) == INVALID_GRANT


# Introspection


def test_introspection_tells_a_client_about_its_own_tokens(server: Server, person: Person) -> None:
    """C002, O 7662 2.2."""
    application = server.application()
    tokens = application.tokens(person, scope="openid email offline_access")
    access = application.introspect(tokens["access_token"])
    assert access["active"] is True
    assert (access["iss"], access["aud"], access["client_id"]) == (ISSUER, application.id, application.id)
    assert (access["sub"], access["username"], access["token_type"]) == (
        person.user_id,
        person.username,
        "Bearer",
    )
    assert access["scope"] == "openid email offline_access"
    assert access["exp"] - access["iat"] == tokens["expires_in"]
    assert (access["acr"], access["amr"]) == ("aal1", ["pwd"])
    refresh = application.introspect(tokens["refresh_token"], token_type_hint="access_token")
    assert refresh["active"] is True
    assert "token_type" not in refresh
    assert refresh["exp"] - refresh["iat"] == 30 * 86400


def test_introspection_says_when_a_refresh_token_really_ends(server: Server) -> None:
    """O 7662 2.2: exp is the earlier of the idle and the absolute end."""
    application, person = server.application(), server.person()
    tokens = application.tokens(person)
    start = server.clock.now().timestamp()
    for _ in range(4):
        server.clock.move(days=20)
        tokens = application.refresh(tokens["refresh_token"]).get_json()
    assert abs(application.introspect(tokens["refresh_token"])["exp"] - (start + 90 * 86400)) < 60


def test_introspection_tells_nobody_about_the_tokens_of_others(server: Server, signed_in: Person) -> None:
    """SR6 own tokens only, O 7662 4: not active, as for a token that never was."""
    application, other = server.application(), server.application()
    tokens = application.tokens(signed_in)
    for value in (tokens["access_token"], tokens["refresh_token"], "unknown", tokens["id_token"]):
        assert other.introspect(value) == {"active": False}
    public = server.application(public=True)
    assert error_of(public.post("/introspect", token=tokens["access_token"])) == (401, "invalid_client")


# Revocation


def test_a_client_gives_a_refresh_token_back(server: Server, signed_in: Person) -> None:
    """C002, O 7009 2.1: with it go the access tokens of the same grant; other grants stay."""
    application = server.application()
    first, other = application.tokens(signed_in), application.tokens(signed_in)
    second = application.refresh(first["refresh_token"]).get_json()
    for _ in range(2):
        assert application.post("/revoke", token=second["refresh_token"]).status_code == 200
    for tokens in (first, second):
        assert error_of(application.userinfo(tokens["access_token"])) == REFUSED
    assert error_of(application.refresh(second["refresh_token"])) == INVALID_GRANT
    assert application.refresh(other["refresh_token"]).status_code == 200


def test_a_client_gives_an_access_token_back(server: Server, signed_in: Person) -> None:
    """O 7009 2.1: it is dead at once, in every process, whatever the clock does; the refresh token stays."""
    application = server.application()
    tokens = application.tokens(signed_in)
    assert application.post("/revoke", token=tokens["access_token"]).status_code == 200
    assert error_of(application.userinfo(tokens["access_token"])) == REFUSED
    server.clock.move(days=-1)
    assert error_of(application.userinfo(tokens["access_token"])) == REFUSED
    server.clock.move(days=1)
    assert application.refresh(tokens["refresh_token"]).status_code == 200


def test_nobody_revokes_the_tokens_of_others(server: Server, signed_in: Person) -> None:
    """SR6 own tokens only, O 7009 2.1: refused, and reported as refused."""
    application = server.application()
    tokens = application.tokens(signed_in)
    for other in (server.application(), server.application(public=True)):
        for value in (tokens["access_token"], tokens["refresh_token"]):
            assert error_of(other.post("/revoke", token=value)) == INVALID_GRANT
    assert application.userinfo(tokens["access_token"]).status_code == 200
    assert application.refresh(tokens["refresh_token"]).status_code == 200


def test_a_public_client_revokes_its_own_tokens(server: Server, signed_in: Person) -> None:
    """O 7009 2.1: by its client id."""
    application = server.application(public=True)
    tokens = application.tokens(signed_in)
    assert application.post("/revoke", token=tokens["refresh_token"]).status_code == 200
    assert error_of(application.refresh(tokens["refresh_token"])) == INVALID_GRANT


def test_revoking_what_is_no_token_is_fine(application: Application) -> None:
    """O 7009 2.2: an invalid token gets a 200; the client can do nothing about it."""
    assert application.post("/revoke", token="unknown").status_code == 200
    assert error_of(application.post("/revoke")) == INVALID_REQUEST
    assert error_of(application.post("/revoke", token="")) == INVALID_REQUEST
    assert error_of(application.post("/revoke", token="x", token_type_hint="id_token"))[1] in (
        "",
        "unsupported_token_type",
    )


def test_a_revocation_that_fails_is_reported_as_a_failure(
    server: Server, signed_in: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SR6 a failed revocation is reported as failure, A 16.5.3: and the token is not half revoked."""
    application = server.application()
    tokens = application.tokens(signed_in)
    with monkeypatch.context() as patch:
        patch.setattr("idprotect.oidc.tokens.revoke_family", lambda *_: 1 / 0)
        response = application.post("/revoke", token=tokens["refresh_token"])
        assert response.status_code >= 500
        assert "Traceback" not in response.text
        assert "ZeroDivision" not in response.text
    assert application.refresh(tokens["refresh_token"]).status_code == 200
