"""Unmodified third-party clients: discovery, code and PKCE, ID token, userinfo, refresh, and the way out.

Each of them validates what it gets by its own reading of the standards, which is not ours.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyotp
import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from idpyoidc.client.defaults import DEFAULT_OIDC_SERVICES
from idpyoidc.client.rp_handler import RPHandler
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.wrappers import Request, Response

from idprotect import clients
from idprotect.admin.snippets import snippets
from idprotect.registration import Registration
from tests.support import PROJECT, unavailable
from tests.support.live import serve
from tests.support.world import MFA_POLICY, Browser, World

SCOPE = "openid profile email offline_access"
NODE = PROJECT / "tests" / "support" / "node"


@dataclass
class Registered:
    """What an application is told when it is registered."""

    world: World
    id: str
    secret: str | None
    redirect_uri: str
    user_id: str
    browser: Browser | None = None

    def log_in(self, url: str) -> str:
        """Play the browser: go where the application sends it, sign in, and return where it ends up."""
        browser = self.world.browser().get(url)
        if browser.step == "sign_in":
            browser.sign_in()
        if browser.step == "mfa":
            # The clock stays where it is: node looks at the system's.
            browser.prove(pyotp.TOTP(self.world.seed()).now())
        if browser.step == "consent":
            browser.submit(button="allow")
        self.browser = browser
        return self.ended(browser)

    def log_out(self, url: str) -> None:
        """Go where the application sends whoever leaves; its own ID token is enough, so nobody is asked."""
        assert self.browser is not None
        ended = self.browser.get(url).page.url
        assert ended.split("?")[0] == self.redirect_uri, ended
        assert self.browser.get("/account").step == "sign_in"

    def ended(self, browser: Browser) -> str:
        """Return where the browser ended up, which is the application."""
        assert browser.page.url.startswith(self.redirect_uri + "?"), (
            f"{browser.page.url}: {browser.text[:300]}"
        )
        return str(browser.page.url)


@pytest.fixture(scope="session")
def callback() -> Iterator[str]:
    """Serve the page at which the browser ends up."""

    @Request.application
    def page(request: Request) -> Response:
        return Response("You can close this page.")

    with serve(page) as url:
        yield f"{url}/callback"


@pytest.fixture
def register(make_world: Callable[..., World], callback: str) -> Callable[..., Registered]:
    """Return a function that runs a server and registers an application there."""

    def make(**options: Any) -> Registered:
        world = make_world(relying_party=False)
        world.relying_party_url = callback
        user_id = world.make_user(name="Ada Lovelace", authenticators=("totp",))
        with world.arranging():
            registration = Registration(
                client_name="Third party",
                redirect_uris=(callback,),
                post_logout_redirect_uris=(callback,),
                **options,
            )
            client, secret = clients.create(registration, by="test")
            return Registered(world, client.id, secret, callback, user_id)

    return make


# Authlib


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_authlib_finishes_a_login(register: Callable[..., Registered], method: str) -> None:
    """C001, C002, C003: requests and Authlib's session; the ID token is checked with joserfc."""
    registered = register(token_endpoint_auth_method=method)
    known = requests.get(registered.world.url + "/.well-known/openid-configuration", timeout=10).json()
    session = OAuth2Session(
        registered.id,
        registered.secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope=SCOPE,
        redirect_uri=registered.redirect_uri,
        code_challenge_method="S256",
    )
    session.trust_env = False
    verifier = "v" * 64
    url, state = session.create_authorization_url(
        known["authorization_endpoint"], code_verifier=verifier, nonce="n"
    )
    ended = registered.log_in(url)
    assert dict(parse_qsl(urlsplit(ended).query))["iss"] == known["issuer"]
    token = session.fetch_token(
        known["token_endpoint"], authorization_response=ended, state=state, code_verifier=verifier
    )
    keys = KeySet.import_key_set(requests.get(known["jwks_uri"], timeout=10).json())
    claims = jwt.decode(token["id_token"], keys, known["id_token_signing_alg_values_supported"]).claims
    jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": known["issuer"]},
        aud={"essential": True, "value": registered.id},
        sub={"essential": True, "value": registered.user_id},
        nonce={"essential": True, "value": "n"},
        exp={"essential": True},
    ).validate(claims)
    assert (claims["acr"], claims["amr"]) == ("aal1", ["pwd"])
    assert session.get(known["userinfo_endpoint"]).json()["name"] == "Ada Lovelace"
    new = session.refresh_token(known["token_endpoint"])
    assert new["refresh_token"] != token["refresh_token"]
    assert session.get(known["userinfo_endpoint"]).json()["sub"] == registered.user_id
    if method != "none":
        said = session.introspect_token(known["introspection_endpoint"], new["access_token"], "access_token")
        assert said.json()["active"] is True
    assert session.revoke_token(known["revocation_endpoint"], new["refresh_token"]).status_code == 200
    with pytest.raises(OAuthError, match="invalid_grant"):
        session.refresh_token(known["token_endpoint"])


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_what_the_console_has_to_paste_finishes_a_login(
    register: Callable[..., Registered], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C107: the program for Flask with Authlib, as it stands on the page of the application, signs a person in."""
    registered = register(token_endpoint_auth_method=method)
    with registered.world.app.app_context():
        program = snippets(clients.get(registered.id))["Flask with Authlib"]
    monkeypatch.setenv("FLASK_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("OIDC_CLIENT_SECRET", registered.secret or "")
    monkeypatch.setenv("NO_PROXY", "*")
    pasted: dict[str, Any] = {"__name__": "pasted"}
    exec(program, pasted)  # noqa: S102 (what people are told to run)
    browser = pasted["app"].test_client()
    ended = registered.log_in(browser.get("/sign-in").headers["Location"])
    answer = browser.get(ended.removeprefix(registered.redirect_uri.removesuffix("/callback")))
    assert answer.headers["Location"] == "/", answer.text
    with browser.session_transaction() as session:
        assert session["user"]["sub"] == registered.user_id
        assert session["user"]["email"] == "ada@example.org"


# idpyoidc


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_idpyoidc_finishes_a_login(register: Callable[..., Registered], method: str) -> None:
    """C001, C002, C003, C005: the handler of relying parties that comes with idpyoidc, which knows no public clients."""
    registered = register(token_endpoint_auth_method=method)
    registered.world.apply(MFA_POLICY)
    handler = idpyoidc(registered, method)
    issuer = registered.world.url
    ended = registered.log_in(handler.begin(issuer))
    answer = handler.finalize(issuer, dict(parse_qsl(urlsplit(ended).query)))
    assert "error" not in answer, answer
    assert answer["issuer"] == issuer
    assert answer["id_token"]["sub"] == answer["userinfo"]["sub"] == registered.user_id
    assert answer["id_token"]["aud"] == [registered.id]
    assert answer["id_token"]["acr"] == "aal2"
    assert answer["userinfo"]["email"] == "ada@example.org"
    before = handler.get_valid_access_token(answer["state"])[0]
    refreshed = handler.refresh_access_token(answer["state"])
    assert refreshed["access_token"] != before
    assert handler.get_user_info(answer["state"])["sub"] == registered.user_id
    left = handler.close(answer["state"], issuer, post_logout_redirect_uri=registered.redirect_uri)
    registered.log_out(left["url"])


def idpyoidc(registered: Registered, method: str) -> RPHandler:
    """Return the handler, configured as its documentation says."""
    pkce = {
        "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
        "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
    }
    client = {
        "issuer": registered.world.url,
        "client_id": registered.id,
        "client_secret": registered.secret,
        "client_type": "oidc",
        "redirect_uris": [registered.redirect_uri],
        "scopes_supported": SCOPE.split(),
        "response_types_supported": ["code"],
        "token_endpoint_auth_methods_supported": [method],
        "client_authn_methods": [method, "bearer_header"],
        "request_args": {"scope": SCOPE.split()},
        "add_ons": {"pkce": pkce},
        "services": {
            **DEFAULT_OIDC_SERVICES,
            "end_session": {"class": "idpyoidc.client.oidc.end_session.EndSession"},
        },
    }
    return RPHandler(
        base_url=registered.redirect_uri,
        client_configs={registered.world.url: client},
        key_conf={"key_defs": [{"type": "EC", "crv": "P-256", "use": ["sig"]}]},
    )


# openid-client


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install openid-client where the tests may write; what is installed is fixed by package-lock.json."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        unavailable("no node and npm")
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "login.mjs"):
        shutil.copy(NODE / name, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        unavailable(f"npm ci failed: {done.stderr[-500:]}")
    return folder


def openid_client(
    folder: Path, registered: Registered, browse: Callable[[str], str], **parameters: str
) -> Any:
    """Let openid-client log in; return what it got."""
    told = {
        "issuer": registered.world.url,
        "clientId": registered.id,
        "clientSecret": registered.secret,
        "redirectUri": registered.redirect_uri,
        "scope": SCOPE,
        "parameters": parameters,
    }
    with ExitStack() as stack:
        node = subprocess.Popen(
            ["node", "login.mjs", json.dumps(told)],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        stack.callback(node.wait)
        stack.callback(node.kill)
        assert node.stdin is not None
        assert node.stdout is not None
        assert node.stderr is not None
        first = node.stdout.readline()
        assert first, node.stderr.read()
        node.stdin.write(browse(json.loads(first)["url"]) + "\n")
        node.stdin.flush()
        second = node.stdout.readline()
        assert second, node.stderr.read()
        return json.loads(second)


@pytest.mark.parametrize("kind", ["confidential", "public"])
def test_openid_client_finishes_a_login(
    register: Callable[..., Registered], node_folder: Path, kind: str
) -> None:
    """C001, C002, C003, C005: openid-client 6 on node checks iss, state, nonce, at_hash and the signature itself."""
    method = "none" if kind == "public" else "client_secret_basic"
    registered = register(token_endpoint_auth_method=method, id_token_at_refresh=kind == "confidential")
    got = openid_client(node_folder, registered, registered.log_in)
    assert "error" not in got, got
    assert got["claims"]["sub"] == got["userinfo"]["sub"] == registered.user_id
    assert (got["claims"]["acr"], got["claims"]["amr"]) == ("aal1", ["pwd"])
    assert got["userinfo"] == got["again"]
    assert got["userinfo"]["name"] == "Ada Lovelace"
    assert got["revoked"] == "invalid_grant"
    registered.log_out(got["endSession"])
    if kind == "confidential":
        assert got["introspection"]["active"] is True
        assert got["introspection"]["client_id"] == registered.id
        assert got["refreshed"]["sub"] == registered.user_id
    else:
        assert "refreshed" not in got


def test_openid_client_gets_a_new_auth_time_and_a_second_factor(
    register: Callable[..., Registered], node_folder: Path
) -> None:
    """F112, C008: max_age is checked by the client against auth_time; acr and amr tell of the challenge."""
    registered = register(id_token_at_refresh=True)
    registered.world.apply(MFA_POLICY)
    got = openid_client(node_folder, registered, registered.log_in, max_age="0", prompt="login")
    assert "error" not in got, got
    assert got["claims"]["acr"] == "aal2"
    assert got["claims"]["amr"] == ["pwd", "otp", "mfa"]
    assert got["refreshed"]["auth_time"] == got["claims"]["auth_time"]


def test_openid_client_understands_our_errors(register: Callable[..., Registered], node_folder: Path) -> None:
    """F108, O 9207: state and iss are checked in errors, too."""
    registered = register()

    def look(url: str) -> str:
        return registered.ended(registered.world.browser().get(url))

    def cancel(url: str) -> str:
        return registered.ended(registered.world.browser().get(url).submit(action="/cancel/"))

    assert openid_client(node_folder, registered, look, prompt="none")["error"] == "login_required"
    assert openid_client(node_folder, registered, cancel)["error"] == "access_denied"
