"""A person with a browser and the application that they sign in to; each verifies every answer of the server."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from .browser import Browser, PageError, credential_form, summary_of
from .http_client import HttpError, Response
from .target import SCOPE, Account, Target

SIGNING_ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA", "Ed25519"]
MAX_PAGES = 4


class WrongAnswer(Exception):
    """The server answered, but not what the operation must get."""


EXPECTED_FAILURES = (WrongAnswer, PageError, HttpError, JoseError, OSError, ValueError)


@dataclass(frozen=True)
class AuthorizationRequest:
    """What an application remembers between sending the user away and redeeming the code."""

    verifier: str
    state: str
    nonce: str

    @classmethod
    def new(cls) -> AuthorizationRequest:
        return cls(secrets.token_urlsafe(48), secrets.token_urlsafe(16), secrets.token_urlsafe(16))

    @property
    def challenge(self) -> str:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Application:
    """The relying party's back end: a keep-alive connection to the token endpoint and the server's keys."""

    def __init__(self, target: Target, keys: KeySet) -> None:
        self.target, self.client, self.keys = target, target.client, keys
        self.connection = target.connect()
        self.authorization = ""
        if not self.client.is_public:
            pair = f"{quote(self.client.client_id)}:{quote(self.client.client_secret or '')}"
            self.authorization = f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}\r\n"

    def authorize_path(self, request: AuthorizationRequest) -> str:
        query = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.client.redirect_uri,
            "scope": SCOPE,
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": request.challenge,
            "code_challenge_method": "S256",
        }
        return f"{self.target.endpoints.authorize}?{urlencode(query)}"

    def code_from(self, location: str, request: AuthorizationRequest) -> str:
        answer = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        expect(
            "code" in answer,
            f"no code came back but {answer.get('error')}: {answer.get('error_description')}",
        )
        expect(answer.get("state") == request.state, "the state is not ours")
        expect(answer.get("iss", self.target.issuer) == self.target.issuer, f"iss is {answer.get('iss')}")
        return answer["code"]

    def redeem(self, code: str, request: AuthorizationRequest) -> dict[str, Any]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.client.redirect_uri,
            "code_verifier": request.verifier,
        }
        tokens = self.token_request(form)
        expect("refresh_token" in tokens, "no refresh token")
        expect("id_token" in tokens, "no ID token")
        self.verify_id_token(tokens["id_token"], request.nonce)
        return tokens

    def refresh(self, refresh_token: str) -> dict[str, Any]:
        tokens = self.token_request({"grant_type": "refresh_token", "refresh_token": refresh_token})
        expect(
            tokens.get("refresh_token", refresh_token) != refresh_token, "the refresh token was not rotated"
        )
        if "id_token" in tokens:
            self.verify_id_token(tokens["id_token"], None)
        return tokens

    def token_request(self, form: dict[str, str]) -> dict[str, Any]:
        tokens = self.post(self.target.endpoints.token, form)
        expect(str(tokens.get("token_type", "")).lower() == "bearer", "token_type is not Bearer")
        expect(bool(tokens.get("access_token")), "no access token")
        return tokens

    def post(self, path: str, form: dict[str, str]) -> dict[str, Any]:
        """POST a form as this client: by basic authentication, or by name alone if it is public."""
        if self.client.is_public:
            form = {**form, "client_id": self.client.client_id}
        headers = f"{self.authorization}Content-Type: application/x-www-form-urlencoded\r\n"
        return json_of(self.connection.request("POST", path, headers, urlencode(form).encode()))

    def get(self, path: str, access_token: str | None = None) -> dict[str, Any]:
        headers = f"Authorization: Bearer {access_token}\r\n" if access_token else ""
        return json_of(self.connection.request("GET", path, headers))

    def verify_id_token(self, id_token: str, nonce: str | None) -> None:
        claims = jwt.decode(id_token, self.keys, algorithms=SIGNING_ALGORITHMS).claims
        audience = claims.get("aud")
        expect(claims.get("iss") == self.target.issuer, f"the ID token's iss is {claims.get('iss')}")
        audiences = audience if isinstance(audience, list) else [audience]
        expect(self.client.client_id in audiences, f"the ID token's aud is {audience}")
        expect(claims.get("exp", 0) > time.time(), "the ID token has expired")
        expect(isinstance(claims.get("sub"), str), "the ID token's sub is not a string")
        expect(nonce is None or claims.get("nonce") == nonce, "the nonce is not ours")


def expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise WrongAnswer(otherwise)


def json_of(response: Response) -> dict[str, Any]:
    if response.status != 200:
        raise WrongAnswer(f"status {response.status}: {summary_of(response.body.decode(errors='replace'))}")
    content: dict[str, Any] = json.loads(response.body)
    expect(isinstance(content, dict), "the answer is not a JSON object")
    return content


@dataclass
class VirtualUser:
    """One person with one application; their browser is replaced when an operation wants a fresh one."""

    target: Target
    application: Application
    accounts: list[Account]
    browser: Browser = field(init=False)
    requests_before: int = 0

    def __post_init__(self) -> None:
        self.browser = self._new_browser()
        self._turns = cycle(self.accounts)

    @property
    def requests(self) -> int:
        """HTTP requests sent so far, by application and browsers."""
        return self.requests_before + self.browser.connection.requests + self.application.connection.requests

    def fresh_browser(self) -> None:
        self.requests_before += self.browser.connection.requests
        self.browser.close()
        self.browser = self._new_browser()

    def _new_browser(self) -> Browser:
        return Browser(self.target.connect(), leaves_to=self.application.client.redirect_uri)

    def sign_in(self) -> dict[str, Any]:
        """The whole way with a fresh browser: sign-in page, credentials, code, tokens."""
        self.fresh_browser()
        account = next(self._turns)
        request = AuthorizationRequest.new()
        page, response = self.browser.open(self.application.authorize_path(request))
        for _ in range(MAX_PAGES):
            if page.startswith(self.browser.leaves_to):
                break
            page, response = self._answer(page, response, account)
        return self.application.redeem(self.application.code_from(page, request), request)

    def _answer(self, page: str, response: Response, account: Account) -> tuple[str, Response]:
        content = response.body.decode(errors="replace")
        form = credential_form(content)
        if response.status != 200 or form is None:
            raise PageError(f"{response.status} at {page[:80]}, no sign-in form: {summary_of(content)}")
        answers = {}
        if form.username_field:
            answers[form.username_field] = account.username
        if form.password_field:
            answers[form.password_field] = account.password
        return self.browser.submit(page, form, answers)

    def authorize(self) -> dict[str, Any]:
        """A code and its tokens without a page, because the browser is signed in."""
        request = AuthorizationRequest.new()
        location, response = self.browser.open(self.application.authorize_path(request))
        if not location.startswith(self.browser.leaves_to):
            raise PageError(
                f"{response.status} at {location[:80]} in the way: {summary_of(response.body.decode())}"
            )
        return self.application.redeem(self.application.code_from(location, request), request)


def make_user(target: Target, keys: KeySet, number: int, users: int) -> VirtualUser:
    """The virtual user of that number, with accounts that no other one uses if there are enough."""
    own = target.accounts[number::users] or [target.accounts[number % len(target.accounts)]]
    return VirtualUser(target, Application(target, keys), own)


def fetch_keys(target: Target) -> KeySet:
    connection = target.connect()
    keys = json_of(connection.request("GET", target.endpoints.jwks))
    connection.close()
    return KeySet.import_key_set(keys)  # type: ignore[arg-type]
