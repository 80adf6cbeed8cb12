"""What is measured: what a virtual user repeats. ``OPERATIONS`` is the table of contents."""

from __future__ import annotations

from abc import ABC, abstractmethod

from .virtual_user import VirtualUser, expect


class Operation(ABC):
    """What a virtual user repeats; ``prepare`` runs before the measurement and again after an error."""

    def __init__(self, user: VirtualUser) -> None:
        self.user = user

    def prepare(self) -> None:  # noqa: B027 - most operations need none
        """Bring the virtual user to where the operation begins."""

    @abstractmethod
    def run(self) -> None:
        """Do it once; anything but the right answer raises."""


class SignIn(Operation):
    def run(self) -> None:
        self.user.sign_in()


class SingleSignOn(Operation):
    def prepare(self) -> None:
        self.user.sign_in()

    def run(self) -> None:
        self.user.authorize()


class Refresh(Operation):
    def prepare(self) -> None:
        self.tokens = self.user.sign_in()

    def run(self) -> None:
        self.tokens = self.user.application.refresh(self.tokens["refresh_token"])


class ClientCredentials(Operation):
    def run(self) -> None:
        scope = self.user.application.client.own_scope
        self.user.application.token_request({"grant_type": "client_credentials", "scope": scope})


class Introspection(Operation):
    def prepare(self) -> None:
        self.token = self.user.sign_in()["access_token"]

    def run(self) -> None:
        form = {"token": self.token, "token_type_hint": "access_token"}
        answer = self.user.application.post(self.user.target.endpoints.introspection, form)
        expect(answer.get("active") is True, "the token is not active")


class UserInfo(Operation):
    def prepare(self) -> None:
        self.token = self.user.sign_in()["access_token"]

    def run(self) -> None:
        answer = self.user.application.get(self.user.target.endpoints.userinfo, self.token)
        expect(isinstance(answer.get("sub"), str), "no sub")


class Discovery(Operation):
    def run(self) -> None:
        answer = self.user.application.get(self.user.target.endpoints.discovery)
        expect(answer.get("issuer") == self.user.target.issuer, f"issuer is {answer.get('issuer')}")


OPERATIONS: dict[str, type[Operation]] = {
    "sign_in": SignIn,
    "sso": SingleSignOn,
    "refresh": Refresh,
    "client_credentials": ClientCredentials,
    "introspection": Introspection,
    "userinfo": UserInfo,
    "discovery": Discovery,
}
