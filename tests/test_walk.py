"""A walk without a plan: people, thieves and administrators do whatever comes to mind, and nothing leaks.

Whenever something was given out (a code, a token, claims, an account page) an oracle of our own reads the rows as
they were just before, and the policies, and says whether it should have been. It shares no code with the server:
it reads the tables with `sqlite3` and judges with the forty lines of `why_not`. What the rows say about second
factors, passwords, consents, terms and skips counts only when the walk itself did these things at that moment.

`IDPROTECT_WALK_EXAMPLES` sets how many walks there are; more than the default ones are drawn anew each time.
"""

import base64
import ipaddress
import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy import delete
from werkzeug.test import Client as Http
from werkzeug.test import TestResponse

from idprotect import clients, clock, methods, migrations, policies, protection, sessions, terms, users
from idprotect.errors import PolicyError
from idprotect.methods import recovery
from idprotect.methods.base import secret_of
from idprotect.models import Client, SignIn, Throttle, User, session
from idprotect.registration import Registration
from idprotect.risk import About, Finding, RiskLevel
from idprotect.senders import Message
from tests.support.world import CHROME, FIREFOX, HOME_ADDRESS, OTHER_ADDRESS, PASSWORD, TOR_ADDRESS, build_app

# Every variable that begins so is a setting of the server, which this is not.
ASKED_FOR = os.environ.pop("IDPROTECT_WALK_EXAMPLES", "")
EXAMPLES, STEPS = int(ASKED_FOR or 100), 30
ISSUER = "https://id.example"
CALLBACK = "https://app.example/callback"
VERIFIER = "the-verifier-of-all-walks-is-no-secret-at-all"
ACCOUNT, STEP_UP = "idprotect-account", "idprotect:step-up"
PEOPLE = ("ada", "bob")
BROWSERS = ((HOME_ADDRESS, FIREFOX), (OTHER_ADDRESS, CHROME), (TOR_ADDRESS, CHROME))
SESSION, BROWSER = "__Host-idprotect-session", "__Host-idprotect-browser"
STEP_PAGES = (
    *("block", "notice", "mfa_registration", "mfa", "password_change"),
    *("review", "terms_of_use", "consent"),
)
LEVELS = ("none", "low", "medium", "high")
MEDIUM, HIGH = 2, 3
DAY = 86400

Row = Mapping[str, Any]


# The oracle


@dataclass(frozen=True)
class Facts:
    """What is stored about one sign-in and its user."""

    now: datetime
    sign_in: Row
    user: Row
    detections: tuple[Row, ...]
    sign_ins: Mapping[str, Row]
    registered: bool
    consents: Mapping[str, frozenset[str]]
    agreed: frozenset[str]
    first_party: frozenset[str]
    document: Mapping[str, Any]
    emergency: bool

    def user_risk(self, *, whole: bool = False) -> tuple[int, datetime | None]:
        """Return level and newest finding of the user; what belongs to an unfinished sign-in is left to its risk.

        :param whole: count that in.
        """
        own = self.sign_in["id"] if self.sign_in["completed_at"] is None and not whole else None
        counted = [d for d in self.detections if d["about"] == "user" or d["sign_in_id"] != own]
        about_user = [d["level"] for d in counted if d["about"] == "user"]
        risky: dict[str, int] = {}
        for detection in counted:
            if detection["about"] == "sign_in":
                weight = {0: 0, 1: 1, 2: 3, 3: 6}[detection["level"]]
                risky[detection["sign_in_id"]] = risky.get(detection["sign_in_id"], 0) + weight
        let_through = [w for s, w in risky.items() if w >= 6 and self.sign_ins[s]["completed_at"] is not None]
        high = [w for w in risky.values() if w >= 6]
        medium = [w for w in risky.values() if 3 <= w < 6]
        low = [w for w in risky.values() if 1 <= w < 3]
        if let_through:
            share = 3
        elif high or len(medium) > 1:
            share = 2
        else:
            share = 1 if medium or len(low) > 2 else 0
        return max([share, *about_user]), max((d["detected_at"] for d in counted), default=None)


def why_not(facts: Facts, client_id: str, scopes: Iterable[str], *, consent: bool = True) -> str | None:
    """Return why nothing may be given to a client, None when something may: the policies, read once more."""
    user, sign_in = facts.user, facts.sign_in
    if not user["enabled"]:
        return "the user is disabled"
    if user["must_change_password"]:
        return "the password is a temporary one"
    third_party = client_id != ACCOUNT and client_id not in facts.first_party
    if consent and third_party and set(scopes) - facts.consents.get(client_id, frozenset()):
        return "there is no consent"
    if STEP_UP in scopes and facts.registered and sign_in["mfa_at"] is None:
        return "factors are changed by whoever proved one"
    level, since = facts.user_risk()
    for policy in [] if facts.emergency else facts.document.get("policy", []):
        if policy.get("state") != "on" or not _applies(policy, facts, level, client_id, set(scopes)):
            continue
        demanded, about_user = set(policy["then"]["require"]), "user_risk" in policy.get("when", {})
        name, proved = policy["name"], sign_in["mfa_at"]
        if "block" in demanded:
            return f"{name} blocks"
        if "registration" in demanded and not facts.registered:
            risky = sign_in["risk_level"] >= MEDIUM or level >= MEDIUM or "administrator" in user["roles"]
            prompted, days = user["registration_prompted_at"], policy["then"].get("skip_days", 0)
            over = (prompted or facts.now) + timedelta(days=days) <= facts.now
            if risky or over or sign_in["registration_skipped_at"] is None:
                return f"{name} demands a registration"
        if "mfa" in demanded and (not facts.registered or proved is None):
            return f"{name} demands a second factor"
        if "mfa" in demanded and about_user and since is not None and proved < since:
            return f"{name} demands a second factor that is newer than the risk"
        recovered = user["recovered_at"]
        if "password_change" in demanded and (recovered is None or since is None or recovered < since):
            return f"{name} demands a new password"
        if missing := set(policy["then"].get("terms_of_use", ())) - facts.agreed:
            return f"{name} demands that {missing} is accepted"
    return None


def _applies(policy: Mapping[str, Any], facts: Facts, level: int, client_id: str, scopes: set[str]) -> bool:
    who, when, clients_ = policy.get("who", {}), policy.get("when", {}), policy.get("clients", {})
    user, sign_in = facts.user, facts.sign_in
    included = (
        user["username"] in who.get("users", [])
        or set(user["groups"]) & set(who.get("groups", []))
        or set(user["roles"]) & set(who.get("roles", []))
    )
    address = ipaddress.ip_address(sign_in["ip_address"])
    here = {
        location["name"]
        for location in facts.document.get("location", [])
        if any(address in ipaddress.ip_network(network) for network in location["networks"])
    }
    return not (
        (any(k in who for k in ("users", "groups", "roles")) and not included)
        or user["username"] in who.get("exclude_users", [])
        or ("include" in clients_ and client_id not in clients_["include"])
        or client_id in clients_.get("exclude", [])
        or ("user_risk" in when and LEVELS[level] not in when["user_risk"])
        or ("sign_in_risk" in when and LEVELS[sign_in["risk_level"]] not in when["sign_in_risk"])
        or ("locations" in when and not here & set(when["locations"]))
        or here & set(when.get("exclude_locations", []))
        or ("platforms" in when and sign_in["platform"] not in when["platforms"])
        or ("scopes" in when and not scopes & set(when["scopes"]))
        or ("known_device" in when and bool(sign_in["known_device"]) != when["known_device"])
    )


# What administrators demand


def _policy(name: str, require: list[str], **rest: Any) -> dict[str, Any]:
    then = {"require": require, **rest.pop("then", {})}
    return {"name": name, "state": "on", "then": then, **rest}


_risky = st.sampled_from([["high"], ["medium", "high"], ["low", "medium", "high"]])
_of_people = st.sampled_from(
    [
        {},
        {},
        {"who": {"groups": ["staff"]}},
        {"who": {"exclude_users": ["ada"]}},
        {"who": {"roles": ["administrator"]}},
    ]
)
_of_clients = st.sampled_from(
    [{}, {}, {"clients": {"include": ["first"]}}, {"clients": {"exclude": ["third"]}}]
)
_elsewhere = st.sampled_from(
    [
        {"known_device": False},
        {"locations": ["abroad"]},
        {"exclude_locations": ["office"]},
        {"platforms": ["windows"]},
        {"scopes": ["email"]},
        {"scopes": ["offline_access", "profile"]},
    ]
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a set of policies."""
    made: list[dict[str, Any]] = []
    if kind := draw(st.sampled_from(["", "recover", "recover", "recover", "mfa", "block"])):
        require = {"block": ["block"], "recover": ["mfa", "password_change"], "mfa": ["mfa"]}[kind]
        made.append(_policy("user risk", require, when={"user_risk": draw(_risky)}, **draw(_of_people)))
    if kind := draw(st.sampled_from(["", "mfa", "mfa", "register", "block"])):
        when = {"sign_in_risk": draw(_risky)}
        then = {"unregistered": "register"} if kind == "register" else {}
        require = ["block"] if kind == "block" else ["mfa"]
        made.append(
            _policy("sign-in risk", require, when=when, then=then, **draw(_of_people), **draw(_of_clients))
        )
    if (days := draw(st.sampled_from([None, 14, 3, 0]))) is not None:
        made.append(_policy("registration", ["registration"], then={"skip_days": days}, **draw(_of_people)))
    if draw(st.booleans()):
        made.append(
            _policy("somewhere", [draw(st.sampled_from(["mfa"] * 5 + ["block"]))], when=draw(_elsewhere))
        )
    if draw(st.integers(0, 3)) == 0:
        made.append(_policy("always", ["mfa"], **draw(_of_people), **draw(_of_clients)))
    if draw(st.integers(0, 2)) == 0:
        require = ["mfa"] if draw(st.integers(0, 4)) == 0 else []
        of = draw(_of_people) | draw(_of_clients)
        made.append(_policy("terms", require, then={"terms_of_use": ["rules"]}, **of))
    for policy in made:
        policy["state"] = draw(st.sampled_from(["on", "on", "on", "on", "report_only", "off"]))
    networks = {"office": "198.51.100.0/28", "abroad": "203.0.113.0/24"}
    trusted = draw(st.booleans())
    locations = [
        {"name": n, "networks": [net], "trusted": n == "office" and trusted} for n, net in networks.items()
    ]
    return {"policy": made, "location": locations}


# Where the walk takes place


class Moment:
    """The one clock; it stands still during a request."""

    def __init__(self) -> None:
        self.time = self.start = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def move(self, **by: float) -> None:
        """Go on."""
        self.time += timedelta(**by)


class Inbox:
    """Takes the text messages."""

    def __init__(self) -> None:
        self.codes: dict[str, str] = {}

    def send(self, message: Message) -> None:
        """Keep the newest code of each number."""
        match = re.search(r"\b\d{6}\b", message.body)
        assert match is not None
        self.codes[message.to] = match.group()


@dataclass
class Field:
    """One server for all walks, and what they came past."""

    app: Flask
    rows: sqlite3.Connection
    moment: Moment
    inbox: Inbox
    seen: Counter[str] = field(default_factory=Counter)
    numbers: Any = field(default_factory=count)

    def select(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Read rows, with times and lists as such."""
        return [_readable(row) for row in self.rows.execute(statement, parameters)]


def _readable(row: sqlite3.Row) -> dict[str, Any]:
    return {name: _value(name, row[name]) for name in row.keys()}  # noqa: SIM118 (a Row is no mapping)


def _value(name: str, value: Any) -> Any:
    if isinstance(value, str) and name in ("groups", "roles", "scopes", "document", "amr", "payload"):
        return json.loads(value)
    if isinstance(value, str) and name.endswith(("_at", "_after")):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()


@dataclass
class Person:
    """What one person knows and has."""

    name: str
    username: str
    id: str
    password: str
    number: str = ""
    temporary: str = ""
    seeds: list[str] = field(default_factory=list)
    recovery_codes: list[str] = field(default_factory=list)


@dataclass
class Tab:
    """A browser, with the page in front of it."""

    client: Http
    address: str
    agent: str
    path: str = ""
    html: str = ""

    @property
    def step(self) -> str:
        """The last part of the path of an interruption, or the first of any other."""
        parts = urlsplit(self.path).path.strip("/").split("/")
        return parts[2] if parts[0] == "interaction" and len(parts) > 2 else parts[0]

    def forms(self) -> list[tuple[str, dict[str, str], set[str]]]:
        """Return action, hidden values and names of each form."""
        found = []
        for action, body in re.findall(r'<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>', self.html, re.S):
            inputs = [
                dict(re.findall(r'([\w-]+)="([^"]*)"', tag)) for tag in re.findall(r"<input[^>]*>", body)
            ]
            hidden = {
                i["name"]: i.get("value", "") for i in inputs if i.get("type") == "hidden" and "name" in i
            }
            names = {i.get("name", "") for i in inputs} | set(re.findall(r'<button[^>]*name="(\w+)"', body))
            found.append((action.replace("&amp;", "&"), hidden, names))
        return found

    def form(self, name: str = "", action: str = "") -> tuple[str, dict[str, str]] | None:
        """Return the form with a field and an action."""
        for target, hidden, names in self.forms():
            if action in target and (not name or name in names):
                return target, hidden
        return None


_which = st.integers(0, len(BROWSERS) - 1)
_who = st.sampled_from(PEOPLE)
_any = st.integers(0, 10**6)
_patience = st.sampled_from([12] * 5 + [0, 1, 2, 3])
_judgement = st.sampled_from(
    ["compromised", "compromised", "low", "medium", "high", "dismiss", "safe", "temporary", "temporary"]
    + ["sign-in compromised", "sign-in safe", "sign-in dismissed", "revoke", "disable", "enable", "enable"]
)


class Walk(RuleBasedStateMachine):
    """Everything that people, thieves and administrators do."""

    def __init__(self, field: Field) -> None:
        super().__init__()
        self.field, self.moment = field, field.moment
        self.number = next(field.numbers)
        self.moment.time = self.moment.start
        self.people: dict[str, Person] = {}
        self.tabs = [Tab(field.app.test_client(), *at) for at in BROWSERS]
        self.secrets: dict[str, str] = {}
        self.pendings: list[str] = []
        self.sent: list[tuple[str, dict[str, str]]] = []
        self.cookies: list[str] = []
        self.codes: list[tuple[str, str]] = []
        self.refresh_tokens: list[tuple[str, str]] = []
        self.access_tokens: list[tuple[str, str]] = []
        self.last_step: dict[str, int] = {}
        self.code_sent_in: dict[str, tuple[str, datetime]] = {}
        self.stored: dict[str, dict[Any, Row]] = {}
        self.follows = True  # whether the browser goes where an answer leads it

    # Arranging

    @initialize(
        factors=st.tuples(*[st.sampled_from(["totp", "", "totp", "", "sms", "totp+codes"])] * len(PEOPLE)),
        staff=st.tuples(*[st.booleans()] * len(PEOPLE)),
        admin=st.integers(0, 5),
        document=documents(),
    )
    def arrange(self, factors: Any, staff: Any, admin: int, document: dict[str, Any]) -> None:
        """Make people, applications and policies of this walk's own."""
        with self.field.app.app_context():
            session().execute(delete(Throttle))
            for number, name in enumerate(PEOPLE):
                roles = ("administrator",) if admin == number else ()
                self._make_person(name, factors[number], ("staff",) if staff[number] else (), roles)
            for name in ("first", "third"):
                registration = Registration(
                    client_name=name, redirect_uris=(CALLBACK,), first_party=name == "first"
                )
                client, secret = clients.create(registration, by="test", client_id=f"{name}-{self.number}")
                self.secrets[client.id] = secret or ""
            session().commit()
            # Nobody is locked out without policies, so the emergency of the walk before can end.
            policies.apply({"location": [{"name": "office", "networks": []}]}, "test")
            policies.set_emergency(False, "test", "")
            session().commit()
        self._apply(document)
        self.stored = self._snapshot()

    def _make_person(self, name: str, factors: str, groups: tuple[str, ...], roles: tuple[str, ...]) -> None:
        username = f"{name}{self.number}"
        user = users.create(username, PASSWORD, by="test", groups=groups, roles=roles)
        person = Person(name, username, user.id, PASSWORD)
        for method in [m for m in factors.split("+") if m in methods.METHODS]:
            person.number = f"+447400{100000 + (2 * self.number + PEOPLE.index(name)) % 900000}"
            authenticator = methods.METHODS[method].register(user, SignIn(id="0" * 32), person.number)
            authenticator.confirmed_at = clock.now()
            session().add(authenticator)
            if method == "totp":
                person.seeds.append(secret_of(authenticator))
        if factors.endswith("codes"):
            person.recovery_codes = recovery.replace(user)
        self.people[name] = person

    def _apply(self, document: dict[str, Any]) -> None:
        text = json.dumps(document).replace('"first"', f'"first-{self.number}"')
        text = text.replace('"third"', f'"third-{self.number}"').replace('"ada"', f'"ada{self.number}"')
        self._administrate(lambda: policies.apply(json.loads(text), "admin"))

    # What an application and its user do

    @rule(
        which=_which,
        who=_who,
        client=st.sampled_from(["first", "third"]),
        scope=st.sampled_from(
            ["openid", "openid email", "openid offline_access", "openid profile offline_access"]
        ),
        extra=st.sampled_from(
            [
                {},
                {},
                {},
                {},
                {"prompt": "none"},
                {"prompt": "login"},
                {"prompt": "consent"},
                {"max_age": "60"},
            ]
        ),
        patience=_patience,
        mood=_any,
        then=st.integers(0, 3),
        meanwhile=st.one_of(st.none(), st.none(), st.tuples(_judgement, _any)),
    )
    def come_for_a_code(
        self,
        which: int,
        who: str,
        client: str,
        scope: str,
        extra: dict[str, str],
        patience: int,
        mood: int,
        then: int,
        meanwhile: tuple[str, int] | None,
    ) -> None:
        """Press an application's button, and do what the pages ask until patience runs out.

        :param then: whether the application redeems the code, uses the access token, and refreshes it.
        :param meanwhile: what an administrator does while the code is under way.
        """
        parameters = {
            "response_type": "code",
            "client_id": f"{client}-{self.number}",
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": "s",
            "nonce": "n",
            "code_challenge": create_s256_code_challenge(VERIFIER),
            "code_challenge_method": "S256",
            **extra,
        }
        tab, codes, refresh_tokens = self.tabs[which], len(self.codes), len(self.refresh_tokens)
        self._go(tab, "/authorize?" + urlencode(parameters))
        for _ in range(patience):
            if not self._do_what_is_asked(tab, self.people[who], mood):
                break
        if meanwhile is not None:
            self.judge_a_user(who, *meanwhile)
        if then > 0 and len(self.codes) > codes:
            self._redeem(*self.codes[-1], verifier=VERIFIER)
            if then > 1:
                self.use_tokens(0)
            if then > 2 and len(self.refresh_tokens) > refresh_tokens:
                self.refresh(0, 1)

    @rule(which=_which, who=_who)
    def recover(self, which: int, who: str) -> None:
        """Be compromised, and do all that is asked: left to chance, hardly a walk would get that far."""
        self.judge_a_user(who, "compromised", 0)
        self.come_for_a_code(which, who, "first", "openid offline_access", {}, 9, 2, 3, None)

    @rule(which=_which, who=_who, patience=_patience, mood=_any)
    def go_on(self, which: int, who: str, patience: int, mood: int) -> None:
        """Take up again what was left."""
        for _ in range(patience):
            if not self._do_what_is_asked(self.tabs[which], self.people[who], mood):
                break

    @rule(
        which=_which,
        page=st.sampled_from(["/account", "/account", "/account/password", "/account/methods", "/"]),
        who=_who,
        patience=_patience,
        mood=_any,
    )
    def visit_the_account(self, which: int, page: str, who: str, patience: int, mood: int) -> None:
        """Go to one's own pages."""
        tab = self.tabs[which]
        self._go(tab, page)
        for _ in range(patience):
            if tab.step == "account" or not self._do_what_is_asked(tab, self.people[who], mood):
                break

    @rule(
        which=_which,
        who=_who,
        kind=st.sampled_from(["password", "methods", "remove", "consents", "sign-ins"]),
        n=_any,
    )
    def use_the_account(self, which: int, who: str, kind: str, n: int) -> None:
        """Press something on one's own pages."""
        tab, person = self.tabs[which], self.people[who]
        if kind in ("password", "methods"):
            self._go(tab, f"/account/{kind}")
            self._do_what_is_asked(tab, person, n)
            if kind == "methods":
                self._do_what_is_asked(tab, person, n)
            return
        self._go(tab, "/account")
        forms = [f for f in tab.forms() if f"/{kind}" in f[0] and tab.step == "account"]
        if forms:
            action, hidden, _ = forms[n % len(forms)]
            self._go(tab, action, hidden)

    @rule(which=_which, n=_any)
    def say_that_it_was_not_me(self, which: int, n: int) -> None:
        """Report one of the sign-ins."""
        tab = self.tabs[which]
        self._go(tab, "/account")
        links = re.findall(r'href="(/account/sign-ins/\w+/report)"', tab.html)
        if links and self._go(tab, links[n % len(links)]) and (form := tab.form(action="/report")):
            self._go(tab, *form)

    @rule(which=_which)
    def sign_out(self, which: int) -> None:
        """Leave."""
        tab = self.tabs[which]
        self._go(tab, "/sign-out")
        if form := tab.form(action="/sign-out"):
            self._go(tab, *form)

    @rule(n=_any, good=st.integers(0, 9))
    def redeem(self, n: int, good: int) -> None:
        """Let an application redeem a code it got, now or once more."""
        if self.codes:
            code, client_id = self.codes[-1 - n % min(3, len(self.codes))]
            self._redeem(
                code, client_id, verifier=VERIFIER if good else "another-verifier-that-is-long-enough-too-x"
            )

    @rule(n=_any, other=st.integers(0, 9))
    def refresh(self, n: int, other: int) -> None:
        """Let an application use a refresh token, its newest or an old one."""
        if self.refresh_tokens:
            token, client_id = self.refresh_tokens[-1 - n % min(3, len(self.refresh_tokens))]
            client_id = client_id if other else f"first-{self.number}"
            self._token(client_id, grant_type="refresh_token", refresh_token=token)

    @rule(n=_any)
    def use_tokens(self, n: int) -> None:
        """Ask for claims, and ask whether tokens are any good."""
        if self.access_tokens:
            token, client_id = self.access_tokens[-1 - n % min(4, len(self.access_tokens))]
            self._userinfo(token)
            self._introspect(token, client_id)
        if self.refresh_tokens:
            self._introspect(*self.refresh_tokens[-1 - n % min(4, len(self.refresh_tokens))])

    @rule(n=_any)
    def give_a_token_back(self, n: int) -> None:
        """Revoke one (RFC 7009)."""
        everything = self.refresh_tokens + self.access_tokens
        if everything:
            token, client_id = everything[n % len(everything)]
            self._post_as(client_id, "/revoke", {"token": token})

    # What thieves try

    @rule(
        which=_which,
        n=_any,
        step=st.sampled_from(STEP_PAGES),
        do=st.sampled_from(["", "", "?do=skip", "?do=send"]),
    )
    def go_straight_to_a_page(self, which: int, n: int, step: str, do: str) -> None:
        """Open any page of anybody's pending authorization."""
        if self.pendings:
            self._go(self.tabs[which], f"/interaction/{self._pending(n)}/{step}{do}")

    @rule(which=_which, n=_any)
    def go_straight_back(self, which: int, n: int) -> None:
        """Resume anybody's pending authorization."""
        if self.pendings:
            self._go(self.tabs[which], f"/authorize/{self._pending(n)}")

    @rule(
        which=_which,
        n=_any,
        step=st.sampled_from(STEP_PAGES),
        query=st.sampled_from(
            ["", "", "?do=skip", "?do=send", "?method=recovery_code", "?method=totp", "?version=2"]
        ),
        extra=st.fixed_dictionaries(
            {},
            optional={
                "answer": st.sampled_from(["allow", "yes", "no", "accept"]),
                "code": st.sampled_from(["", "000000", "12345678", "AAAAA-BBBBB-CCCCC"]),
                "method": st.sampled_from(["totp", "sms"]),
                "new": st.just("a password of the thief's own"),
                "confirm": st.just("a password of the thief's own"),
                "current": st.just(PASSWORD),
            },
        ),
    )
    def send_another_pages_form(
        self, which: int, n: int, step: str, query: str, extra: dict[str, str]
    ) -> None:
        """Send the form that is there, or one from before, to another page."""
        tab = self.tabs[which]
        forms = [f[1] for f in tab.forms()] + [data for _, data in self.sent[-6:]]
        if forms and self.pendings:
            form = {**forms[n % len(forms)], **extra}
            self._go(tab, f"/interaction/{self._pending(n)}/{step}{query}", form)

    @rule(which=_which, n=_any)
    def send_an_old_form_again(self, which: int, n: int) -> None:
        """Replay what any browser sent, code and password included."""
        if self.sent:
            path, form = self.sent[-1 - n % min(12, len(self.sent))]
            self._go(self.tabs[which], path, form)

    @rule(which=_which, n=_any)
    def steal_a_cookie(self, which: int, n: int) -> None:
        """Put a sign-in cookie, of now or of before, into another browser."""
        if self.cookies:
            stolen = self.cookies[-1 - n % min(8, len(self.cookies))]
            self.tabs[which].client.set_cookie(SESSION, stolen, domain="id.example", secure=True)

    @rule(which=_which, who=_who, times=st.sampled_from([1, 1, 4, 6]))
    def guess_a_password(self, which: int, who: str, times: int) -> None:
        """Try a wrong one, or several."""
        tab = self.tabs[which]
        self._go(tab, "/sign-in")
        for _ in range(times):
            if (form := tab.form("username")) is None:
                break
            guess = {"username": self.people[who].username, "password": "not it at all, I think"}
            self._go(tab, form[0], {**form[1], **guess})

    @rule(which=_which, code=st.sampled_from(["", "000000", "123 456", "٣٤٥٦٧٨", "x" * 64]))
    def guess_a_code(self, which: int, code: str) -> None:
        """Type something into whatever asks for a code."""
        tab = self.tabs[which]
        if form := tab.form("code"):
            self._go(tab, form[0], {**form[1], "code": code})

    # What administrators do

    @rule(who=_who, act=_judgement, n=_any)
    def judge_a_user(self, who: str, act: str, n: int) -> None:
        """Confirm, hear from elsewhere, dismiss, reset, revoke, disable, enable; or judge one of the sign-ins."""
        person = self.people[who]
        if act.startswith("sign-in"):
            self._judge_a_sign_in(person, act, n)
        elif act == "temporary":
            person.temporary = self._about(who, lambda user: users.set_temporary_password(user, "admin"))
        else:
            self._about(who, partial(self._judge, act=act, end=bool(n % 2)))

    def _judge(self, user: User, act: str, end: bool) -> None:
        if act in LEVELS:
            finding = Finding("external_finding", RiskLevel.parse(act), About.USER, ("somebody says so",))
            protection.raise_detection(user, finding)
        elif act == "compromised":
            protection.confirm_compromised(user, "admin", end_sessions=end)
        elif act in ("dismiss", "safe"):
            verb = protection.confirm_safe if act == "safe" else protection.dismiss
            verb(user, "admin", "looked at it")
        elif act == "revoke":
            sessions.end_all(user.id, "revoked", actor="admin")
        else:
            users.set_enabled(user, act == "enable", "admin")

    def _judge_a_sign_in(self, person: Person, act: str, n: int) -> None:
        verb = {
            "sign-in compromised": protection.confirm_sign_in_compromised,
            "sign-in safe": protection.confirm_sign_in_safe,
            "sign-in dismissed": protection.dismiss_sign_in,
        }[act]
        ids = [i for i, row in self.stored["sign_in"].items() if row["user_id"] == person.id]
        if ids:
            sign_in_id = ids[-1 - n % min(3, len(ids))]
            self._about(
                person.name,
                lambda user: verb(user, session().get_one(SignIn, sign_in_id), "admin", "looked at it"),
            )

    @rule(
        act=st.sampled_from(
            ["policies", "policies", "emergency", "calm", "calm", "secret", "off", "on", "night", "terms"]
        ),
        client=st.sampled_from(["first", "third"]),
        document=documents(),
    )
    def change_the_server(self, act: str, client: str, document: dict[str, Any]) -> None:
        """Apply other policies, flip the emergency switch, rotate a secret, switch an application off or on."""
        client_id = f"{client}-{self.number}"
        if act == "policies":
            self._apply(document)
        elif act in ("emergency", "calm"):
            self._administrate(lambda: policies.set_emergency(act == "emergency", "admin", ""))
        elif act == "secret":
            self.secrets[client_id] = self._administrate(
                lambda: clients.rotate_secret(session().get_one(Client, client_id), "admin")
            )
        elif act == "terms":
            self._administrate(self._publish)
        elif act == "night":
            self._administrate(protection.age_out)
        else:
            self._administrate(
                lambda: clients.set_enabled(session().get_one(Client, client_id), act == "on", "admin")
            )

    def _publish(self) -> None:
        newest = terms.version("rules").version
        terms.publish("rules", "Rules", f"Version {newest + 1}", "admin", based_on=newest)

    @rule(seconds=st.sampled_from([45, 240, 700, 7200, 4 * DAY, 40 * DAY]))
    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.moment.move(seconds=seconds)

    def _about(self, who: str, verb: Callable[[User], Any]) -> Any:
        return self._administrate(lambda: verb(users.get(self.people[who].username)))

    def _administrate(self, act: Callable[[], Any]) -> Any:
        self.moment.move(seconds=1)
        result = None
        with self.field.app.app_context():
            try:
                result = act()
                session().commit()
            except PolicyError as error:
                # Every administrator of all walks would have been locked out: what was in force stays.
                assert "locked out" in str(error), error
                session().rollback()
                self.field.seen["no lock-out"] += 1
        self.stored = self._snapshot()
        return result

    # What people do with a page

    def _do_what_is_asked(self, tab: Tab, person: Person, mood: int) -> bool:
        """Fill in the page as its owner would; return whether there was anything to do."""
        done: Callable[[Tab, Person, int], bool] | None = {
            "sign-in": self._sign_in,
            "notice": lambda tab, *_: self._press(tab, "/notice"),
            "mfa": self._type_a_code,
            "mfa_registration": self._register,
            "password_change": self._choose_a_password,
            "review": lambda tab, _, mood: self._press(
                tab, "/review", answer=("yes", "no", "later")[mood % 3]
            ),
            "consent": lambda tab, *_: self._press(tab, "/consent", answer="allow" if mood % 5 else "deny"),
            "terms_of_use": lambda tab, *_: self._press(
                tab, "/terms_of_use", answer="accept" if mood % 5 else "decline"
            ),
            "account": self._on_the_account_page,
        }.get(tab.step)
        self.follows = mood % 7 > 0
        try:
            return done is not None and done(tab, person, mood)
        finally:
            self.follows = True

    def _press(self, tab: Tab, action: str, **values: str) -> bool:
        form = tab.form(action=action)
        return form is not None and self._go(tab, form[0], {**form[1], **values})

    def _sign_in(self, tab: Tab, person: Person, mood: int) -> bool:
        form = tab.form("username")
        password = person.temporary if person.temporary and mood % 4 else person.password
        typed = {"username": person.username, "password": password}
        return form is not None and self._go(tab, form[0], {**form[1], **typed})

    def _type_a_code(self, tab: Tab, person: Person, mood: int) -> bool:
        if (form := tab.form("code")) is None:
            return self._press(tab, "do=send")
        if person.recovery_codes and mood % 3 == 0:
            path = urlsplit(tab.path).path + "?method=recovery_code"
            return self._go(
                tab, path, {**form[1], "code": person.recovery_codes[mood % len(person.recovery_codes)]}
            )
        if person.seeds and 'name="code"' in tab.html and "app" in tab.html:
            return self._go(tab, form[0], {**form[1], "code": self._next_code(person.seeds[0])})
        return self._go(
            tab, form[0], {**form[1], "code": self.field.inbox.codes.get(person.number, "000000")}
        )

    def _register(self, tab: Tab, person: Person, mood: int) -> bool:
        if 'id="codes"' in tab.html:
            return self._go(tab, re.findall(r'<a class="button primary" href="([^"]+)"', tab.html)[0])
        if form := tab.form("code"):
            seed = re.sub(r"\s", "", re.findall(r'id="manual-key">([^<]+)<', tab.html)[0])
            return self._go(tab, form[0], {**form[1], "code": self._next_code(seed)})
        if mood % 3 and (skip := tab.form(action="do=skip")):
            return self._go(tab, *skip)
        form = tab.form("method")
        return form is not None and self._go(tab, form[0], {**form[1], "method": "totp"})

    def _choose_a_password(self, tab: Tab, person: Person, _: int) -> bool:
        if (form := tab.form("new")) is None:
            return False
        new = f"quiet heron {next(self.field.numbers)} over wet slate"
        typed = {"current": person.password, "new": new, "confirm": new}
        return self._go(tab, form[0], {**form[1], **typed})

    def _on_the_account_page(self, tab: Tab, person: Person, mood: int) -> bool:
        if "/password" in tab.path:
            return self._choose_a_password(tab, person, mood)
        return "/methods" in tab.path and self._register(tab, person, 0)

    def _next_code(self, seed: str) -> str:
        """Return a code of an app that was not used yet."""
        if self.moment.time.timestamp() // 30 <= self.last_step.get(seed, 0):
            self.moment.move(seconds=31)
        return pyotp.TOTP(seed).at(self.moment.time)

    def _pending(self, n: int) -> str:
        return self.pendings[-1 - n % min(5, len(self.pendings))]

    # Requests of browsers

    def _go(self, tab: Tab, path: str, form: dict[str, str] | None = None) -> bool:
        """Send a request, look at the answer, and follow where it leads; not to the application. Always true."""
        for _ in range(8):
            answer = self._browse(tab, path, form)
            target = answer.headers.get("Location", "")
            if not target or target.startswith(CALLBACK) or not self.follows:
                return True
            path, form = target, None
        raise AssertionError(f"redirected for ever: {path}")

    def _browse(self, tab: Tab, path: str, form: dict[str, str] | None) -> TestResponse:
        self.moment.move(seconds=1)
        bound = tab.client.get_cookie(BROWSER, "id.example")
        facts = self._facts_of(tab)
        pending_id = self._pending_in(path)
        pending = self._pending_row(pending_id)
        may = self._deeds(path, form, facts)
        headers = {"X-Forwarded-For": tab.address, "User-Agent": tab.agent, "Origin": ISSUER}
        answer = tab.client.open(
            path, base_url=ISSUER, method="GET" if form is None else "POST", data=form, headers=headers
        )
        tab.path, tab.html = path, answer.text if answer.mimetype == "text/html" else ""
        self._remember(tab, path, form, answer)
        self._check_answer(answer, path)
        # A password that is right is answered with what was asked for, so that is given to the sign-in that it began.
        begun = self._begun(tab) if path.startswith("/sign-in/") and form is not None else facts
        self._check_what_was_given(path, form, answer, begun, pending, bound.value if bound else "")
        self._check_what_changed(path, facts, may)
        return answer

    def _facts_of(self, tab: Tab) -> Facts | None:
        """Read what is known of the sign-in that a browser is in."""
        cookie = tab.client.get_cookie(SESSION, "id.example")
        mine = self._sign_in_of(cookie.value if cookie else None)
        return self._facts(mine["id"]) if mine is not None else None

    def _begun(self, tab: Tab) -> Facts | None:
        """Read what was known of the sign-in that this request began: it was judged before it was complete."""
        begun = self._facts_of(tab)
        if begun is None or begun.sign_in["completed_at"] != self.moment.time:
            return begun
        return replace(begun, sign_in={**begun.sign_in, "completed_at": None})

    def _remember(self, tab: Tab, path: str, form: dict[str, str] | None, answer: TestResponse) -> None:
        self.field.seen[f"page {tab.step}" if tab.html else f"{answer.status_code}"] += 1
        if form is not None:
            self.sent.append((path, form))
        for url in (path, answer.headers.get("Location", "")):
            if (found := self._pending_in(url)) and found not in self.pendings:
                self.pendings.append(found)
        now = tab.client.get_cookie(SESSION, "id.example")
        if now is not None and now.value not in self.cookies:
            self.cookies.append(now.value)

    def _check_answer(self, answer: TestResponse, path: str) -> None:
        """No error of ours, and every header that protects a page."""
        assert answer.status_code < 500, f"{answer.status_code} at {path}"
        policy, headers = answer.headers["Content-Security-Policy"], answer.headers
        for directive in ("default-src", "base-uri", "frame-ancestors", "object-src"):
            assert f"{directive} 'none'" in policy, f"{directive} at {path}"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["X-Frame-Options"] == "DENY"
        assert "max-age" in headers["Strict-Transport-Security"]
        assert headers["Cache-Control"] == "no-store", path
        assert "unsafe" not in policy
        if answer.mimetype == "text/html" and "Location" not in headers:
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert "form-action 'self'" in policy
        for line in headers.getlist("Set-Cookie"):
            assert line.startswith("__Host-")
            assert {"secure", "httponly", "samesite=lax", "path=/"} <= {
                p.strip().lower() for p in line.split(";")
            }

    def _check_what_was_given(
        self,
        path: str,
        form: dict[str, str] | None,
        answer: TestResponse,
        facts: Facts | None,
        pending: Row | None,
        bound: str,
    ) -> None:
        target = answer.headers.get("Location", "")
        came_to = urlsplit(path).path
        query = {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}
        if target.startswith(CALLBACK + "?code="):
            self._check_code(
                parse_qs(urlsplit(target).query)["code"][0], came_to, query, facts, pending, bound
            )
        elif query.get("prompt") == "none" and came_to == "/authorize":
            assert target.startswith(CALLBACK + "?error=") or answer.status_code == 400, (
                "prompt=none showed a page"
            )
        stopped_at = re.match(r"/interaction/[^/]+/(\w+)", target)
        if came_to.startswith("/account") and answer.status_code != 405:
            let_in = not target.startswith(("/interaction/", "/sign-in/"))
            if let_in:
                self._expect(facts, ACCOUNT, (), "an account page")
        if stopped_at and facts is not None and came_to.startswith(("/authorize", "/account")):
            self._check_interruption(stopped_at.group(1), came_to, facts, pending, query)

    def _check_code(
        self,
        code: str,
        came_to: str,
        query: dict[str, str],
        facts: Facts | None,
        pending: Row | None,
        bound: str,
    ) -> None:
        row = self._one("SELECT * FROM idprotect_authorization_code WHERE code_hash = ?", _hash(code))
        self.codes.append((code, row["client_id"]))
        assert facts is not None, "a code for nobody"
        assert row["sign_in_id"] == facts.sign_in["id"], "a code for another sign-in"
        self._expect(facts, row["client_id"], row["scope"].split(), "a code")
        assert self._client(row["client_id"])["enabled"], "a code for an application that is switched off"
        if came_to == "/authorize":
            assert query.get("prompt") not in ("login", "consent"), (
                f"a code although prompt={query['prompt']}"
            )
            if "max_age" in query:
                assert facts.sign_in["signed_in_at"] >= facts.now - timedelta(seconds=int(query["max_age"]))
            return
        assert pending is not None
        assert pending["consumed_at"] is None, "a second code for one request"
        assert pending["expires_at"] > facts.now, "a code for an old request"
        assert pending["binding"] in (None, _hash(bound)), "a code for another browser's request"
        assert pending["sign_in_after"] is None or facts.sign_in["signed_in_at"] >= pending["sign_in_after"]
        if pending["ask_consent"]:
            assert pending["consented_at"] is not None, "prompt=consent was not asked"
            assert pending["consented_at"] >= facts.sign_in["signed_in_at"], "somebody else consented"

    def _check_interruption(
        self, step: str, came_to: str, facts: Facts, pending: Row | None, query: dict[str, str]
    ) -> None:
        """Nobody is stopped without a reason: the oracle and the server agree both ways."""
        if step == "review" or came_to.startswith("/account/methods"):
            return
        if step == "consent" and (query.get("prompt") == "consent" or (pending and pending["ask_consent"])):
            return
        client_id = query.get("client_id") or (pending["client_id"] if pending else ACCOUNT)
        scopes = query.get("scope", "").split() or (pending["scopes"] if pending else [])
        assert why_not(facts, client_id, scopes, consent=step == "consent"), (
            f"stopped by {step} for no reason"
        )

    def _expect(self, facts: Facts | None, client_id: str, scopes: Iterable[str], what: str) -> None:
        """Nothing is given out without a reason."""
        assert facts is not None, f"{what} for nobody"
        assert not (why := why_not(facts, client_id, scopes)), f"{what} although {why}"
        self.field.seen[what] += 1
        if facts.sign_in["mfa_at"] is not None:
            self.field.seen[f"{what} after a second factor"] += 1

    # What a request may change

    def _deeds(self, path: str, form: dict[str, str] | None, facts: Facts | None) -> set[str]:
        """Return what this request would rightly bring about."""
        if form is None:
            return set()
        deeds, page = set(), urlsplit(path)
        for person in self.people.values():
            right = person.temporary if self._user(person)["temporary_password_hash"] else person.password
            if page.path.startswith("/sign-in/") and form.get("username") == person.username:
                deeds |= {f"password of {person.id}"} if form.get("password") == right else set()
        if facts is not None:
            person = next(p for p in self.people.values() if p.id == facts.user["id"])
            if self._proves(person, facts, form.get("code", "")):
                deeds.add("mfa")
            temporary = facts.user["must_change_password"]
            if form.get("new") and (temporary or form.get("current") == person.password):
                deeds.add("new password")
        deeds |= {"skip"} if "do=skip" in page.query else set()
        deeds |= {"consent"} if form.get("answer") == "allow" else set()
        deeds |= {page.query.replace("=", " ")} if form.get("answer") == "accept" else set()
        deeds |= {"review"} if form.get("answer") in ("yes", "no", "later") else set()
        return deeds

    def _proves(self, person: Person, facts: Facts, typed: str) -> bool:
        """Whether a code is right now, as its owner would know: of an app, of a message, or of the paper."""
        code = "".join(c for c in typed if c in "0123456789")
        step = int(facts.now.timestamp()) // 30
        for seed in person.seeds + self._seeds_being_registered(facts):
            for near in (step, step - 1, step + 1):
                if near > self.last_step.get(seed, 0) and pyotp.TOTP(seed).generate_otp(near) == code:
                    return True
        sent = self.code_sent_in.get(person.number)
        if (
            sent is not None
            and sent[0] == facts.sign_in["id"]
            and facts.now - sent[1] < timedelta(minutes=10)
        ):
            return self.field.inbox.codes.get(person.number) == code
        return typed in person.recovery_codes

    def _seeds_being_registered(self, facts: Facts) -> list[str]:
        """Read what the server showed to this very sign-in, whichever tab it was."""
        found = []
        begun = self.field.select(
            "SELECT id FROM idprotect_authenticator WHERE registered_in = ? AND method = 'totp'",
            facts.sign_in["id"],
        )
        for tab in self.tabs:
            if begun and (match := re.search(r'id="manual-key">([^<]+)<', tab.html)):
                found.append(re.sub(r"\s", "", match.group(1)))
        return found

    def _check_what_changed(self, path: str, facts: Facts | None, may: set[str]) -> None:
        """Whatever the rows say now that they did not say before, this very request has rightly brought about."""
        before, self.stored = self.stored, self._snapshot()
        own = facts.sign_in["id"] if facts is not None else None
        for identity, row in self.stored["sign_in"].items():
            old = before["sign_in"].get(identity)
            if old is None:
                assert not row["succeeded"] or f"password of {row['user_id']}" in may, (
                    "signed in without the password"
                )
                if row["succeeded"] and row["ip_address"] == TOR_ADDRESS:
                    assert row["risk_level"] >= MEDIUM, "an anonymiser was not noticed"
                continue
            for column, deed in (
                ("mfa_at", "mfa"),
                ("registration_skipped_at", "skip"),
                ("reviewed_at", "review"),
            ):
                if row[column] != old[column]:
                    assert identity == own, f"{column} of another sign-in"
                    assert deed in may, f"{column} without the deed"
                    assert row[column] == self.moment.time
                    self.field.seen[deed] += 1
            if row["mfa_at"] != old["mfa_at"]:
                assert row["cookie_hash"] != old["cookie_hash"], "the cookie stayed the same"
            assert old["ended_at"] is None or row["ended_at"] == old["ended_at"], (
                "a sign-in came back to life"
            )
            assert row["risk_level"] == old["risk_level"], "the real-time level is frozen"
        for identity, row in self.stored["user"].items():
            self._check_user(path, row, before["user"][identity], facts, may)
        self._check_factors(path, before, facts, may)
        self._check_consents_and_detections(path, before, facts, may)
        for identity, row in self.stored["token"].items():
            old = before["token"].get(identity, row)
            assert old["revoked_at"] is None or row["revoked_at"] is not None, "a token came back to life"
        self._learn(facts, before, may)

    def _check_user(self, path: str, row: Row, old: Row, facts: Facts | None, may: set[str]) -> None:
        if row["password_hash"] == old["password_hash"]:
            assert row["recovered_at"] == old["recovered_at"], "recovered without a new password"
            assert row["must_change_password"] == old["must_change_password"]
            return
        assert facts is not None
        assert row["id"] == facts.user["id"], "somebody else's password"
        assert "new password" in may, "a new password without the old one"
        self.field.seen["new password"] += 1
        level, since = facts.user_risk()
        proved = facts.sign_in["mfa_at"]
        if path.startswith("/interaction/"):
            if facts.registered or not old["must_change_password"]:
                assert proved is not None, "a new password without the second factor"
            if not old["must_change_password"]:
                assert since is None or proved >= since, "a new password after an old proof"
                self.field.seen["recovery"] += 1
        else:
            assert row["recovered_at"] == old["recovered_at"], "a voluntary change closes no risk"
            self._expect(facts, ACCOUNT, (), "a voluntary new password")
        alive = [
            s for i, s in self.stored["sign_in"].items()
            if s["user_id"] == row["id"] and s["succeeded"] and s["ended_at"] is None and i != facts.sign_in["id"]
        ]  # fmt: skip
        assert not alive, "other sign-ins outlived the password"

    def _check_factors(
        self, path: str, before: dict[str, dict[Any, Row]], facts: Facts | None, may: set[str]
    ) -> None:
        """I7: no factor is added or removed by a compromised user, or on the strength of the password alone."""
        confirmed = {i for i, r in self.stored["factor"].items() if r["confirmed_at"]}
        had = {i for i, r in before["factor"].items() if r["confirmed_at"]}
        if confirmed == had:
            return
        assert facts is not None
        assert {
            before["factor"].get(i, self.stored["factor"].get(i, {}))["user_id"] for i in confirmed ^ had
        } == {facts.user["id"]}, "somebody else's factor"
        assert not confirmed - had or "mfa" in may, "a factor that no code proved"
        self.field.seen["factor"] += 1
        sign_in = facts.sign_in
        if path.startswith("/account/"):
            assert facts.user_risk(whole=True)[0] < MEDIUM, "a factor of a compromised user"
            proved = sign_in["mfa_at"] if facts.registered else sign_in["signed_in_at"]
            assert proved is not None, "a factor by password alone"
            assert facts.now - proved <= timedelta(minutes=5), "a factor after an old proof"
            return
        assert not had - confirmed
        assert not facts.registered, "a second factor by password alone"
        assert facts.user_risk()[0] < MEDIUM, "a factor of a compromised user"
        if sign_in["risk_level"] >= MEDIUM:
            asking = [
                p
                for p in facts.document["policy"]
                if "sign_in_risk" in p.get("when", {}) and p["state"] == "on"
            ]
            assert any(p["then"].get("unregistered") == "register" for p in asking), (
                "a factor in a risky sign-in"
            )

    def _check_consents_and_detections(
        self, path: str, before: dict[str, dict[Any, Row]], facts: Facts | None, may: set[str]
    ) -> None:
        for key, row in self.stored["consent"].items():
            if set(row["scopes"]) - set(before["consent"].get(key, {"scopes": ()})["scopes"]):
                assert facts is not None
                assert row["user_id"] == facts.user["id"], "somebody else's consent"
                assert "consent" in may, "consent without a yes"
                self.field.seen["consent"] += 1
        for key, row in self.stored["acceptance"].items():
            if key not in before["acceptance"]:
                assert facts is not None
                assert row["user_id"] == facts.user["id"], "somebody else accepted"
                assert f"version {row['version']}" in may, "accepted without a yes to this version"
                newest = self._one("SELECT version FROM idprotect_terms")["version"]
                assert row["version"] == newest, "an old version was accepted"
                self.field.seen["terms"] += 1
        for identity, old in before["detection"].items():
            if identity in self.stored["detection"]:
                continue
            assert facts is not None
            assert old["user_id"] == facts.user["id"], "somebody else's risk"
            own = old["about"] == "sign_in" and old["sign_in_id"] == facts.sign_in["id"]
            recovered = path.startswith("/interaction/") and "new password" in may
            reviewed = "review" in may and old["about"] == "sign_in"
            assert (own and "mfa" in may) or recovered or reviewed, f"{old['name']} was closed"

    def _learn(self, facts: Facts | None, before: dict[str, dict[Any, Row]], may: set[str]) -> None:
        """Note what its owner will know from now on: passwords, used codes, new seeds."""
        for person in self.people.values():
            row, old = self.stored["user"][person.id], before["user"][person.id]
            if row["password_hash"] != old["password_hash"]:
                person.password, person.temporary = self.sent[-1][1]["new"], ""
            elif row["temporary_password_hash"] != old["temporary_password_hash"]:
                person.temporary = ""
        if facts is None:
            return
        person = next(p for p in self.people.values() if p.id == facts.user["id"])
        for tab in self.tabs:
            if 'id="codes"' in tab.html and facts.sign_in["id"] in self.stored["sign_in"]:
                person.recovery_codes = person.recovery_codes or re.findall(
                    r"<li>([A-Z0-9-]{17})</li>", tab.html
                )
        newest = max((r["created_at"] for r in self.stored["challenge"].values()), default=None)
        if newest == self.moment.time:
            self.code_sent_in[person.number] = (facts.sign_in["id"], newest)
        if "mfa" not in may or self.stored["sign_in"][facts.sign_in["id"]]["mfa_at"] != self.moment.time:
            return
        typed = self.sent[-1][1]["code"]
        if typed in person.recovery_codes:
            person.recovery_codes.remove(typed)
        step = int(self.moment.time.timestamp()) // 30
        for seed in person.seeds + self._seeds_being_registered(facts):
            for near in (step - 1, step, step + 1):
                if near > self.last_step.get(seed, 0) and pyotp.TOTP(seed).generate_otp(near) == typed:
                    self.last_step[seed] = near
                    if seed not in person.seeds:
                        person.seeds.insert(0, seed)
        if self.field.inbox.codes.get(person.number) == typed:
            self.field.inbox.codes.pop(person.number)

    # Requests of applications

    def _post_as(self, client_id: str, path: str, form: dict[str, str]) -> TestResponse:
        self.moment.move(seconds=1)
        secret = base64.b64encode(f"{client_id}:{self.secrets[client_id]}".encode()).decode()
        return self._call("POST", path, data=form, headers={"Authorization": f"Basic {secret}"})

    def _call(self, method: str, path: str, **options: Any) -> TestResponse:
        answer = self.field.app.test_client().open(path, base_url=ISSUER, method=method, **options)
        self._check_answer(answer, path)
        return answer

    def _redeem(self, code: str, client_id: str, *, verifier: str) -> None:
        row = self._one("SELECT * FROM idprotect_authorization_code WHERE code_hash = ?", _hash(code))
        client, facts = self._client(client_id), self._facts(row["sign_in_id"], seconds=1)
        grant = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": verifier,
        }
        answer = self._post_as(client_id, "/token", grant)
        good = (
            row["used_at"] is None
            and row["expires_at"] > facts.now
            and row["issued_at"] >= client["valid_after"]
            and verifier == VERIFIER
        )
        self._check_tokens(answer, client, facts, row["scope"].split(), good, "tokens for a code")
        if row["used_at"] is not None and verifier == VERIFIER and row["issued_at"] >= client["valid_after"]:
            family = self.field.select(
                "SELECT id FROM idprotect_token WHERE family_id = ? AND revoked_at IS NULL", row["family_id"]
            )
            assert not family or not client["enabled"], "a code came twice, and its tokens live"
        self.stored = self._snapshot()

    def _token(self, client_id: str, **form: str) -> None:
        row = self._one("SELECT * FROM idprotect_token WHERE refresh_hash = ?", _hash(form["refresh_token"]))
        client, facts = self._client(client_id), self._facts(row["sign_in_id"], seconds=1)
        answer = self._post_as(client_id, "/token", form)
        good = (
            row["client_id"] == client_id
            and row["refresh_used_at"] is None
            and row["revoked_at"] is None
            and min(row["refresh_expires_at"], row["family_expires_at"]) > facts.now
            and row["issued_at"] >= client["valid_after"]
        )
        self._check_tokens(answer, client, facts, row["granted_scope"].split(), good, "tokens for a refresh")
        self.stored = self._snapshot()

    def _check_tokens(
        self, answer: TestResponse, client: Row, facts: Facts, scopes: list[str], good: bool, what: str
    ) -> None:
        why = why_not(facts, client["id"], scopes)
        alive = good and client["enabled"] and facts.sign_in["ended_at"] is None
        if answer.status_code != 200:
            assert not alive or why, f"no {what}, for no reason: {answer.text}"
            self.field.seen[f"no {what}" if alive else f"no {what}, which was dead"] += 1
            return
        assert good, f"{what} that was used up, old or another's"
        assert client["enabled"], f"{what} of an application that is switched off"
        assert facts.sign_in["ended_at"] is None, f"{what} of a sign-in that has ended"
        self._expect(facts, client["id"], scopes, what)
        tokens = answer.get_json()
        self.access_tokens.append((tokens["access_token"], client["id"]))
        if "refresh_token" in tokens:
            self.refresh_tokens.append((tokens["refresh_token"], client["id"]))
        if "id_token" not in tokens:
            assert what != "tokens for a code", "a code gives an ID token"
            return
        payload = tokens["id_token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        assert (claims["sub"], claims["aud"]) == (facts.user["id"], client["id"])
        assert "mfa" not in claims["amr"] or facts.sign_in["mfa_at"] is not None, (
            "claims of a proof there never was"
        )
        assert claims["acr"] == ("aal2" if "mfa" in claims["amr"] else "aal1")
        assert claims["auth_time"] <= facts.now.timestamp()

    def _userinfo(self, token: str) -> None:
        row = self._one("SELECT * FROM idprotect_token WHERE access_hash = ?", _hash(token))
        facts = self._facts(row["sign_in_id"])
        answer = self._call("GET", "/userinfo", headers={"Authorization": f"Bearer {token}"})
        if answer.status_code == 200:
            self._check_use(row, facts, row["access_expires_at"], "claims")
            assert answer.get_json()["sub"] == facts.user["id"]

    def _introspect(self, token: str, client_id: str) -> None:
        row = self._one(
            "SELECT * FROM idprotect_token WHERE access_hash = ?1 OR refresh_hash = ?1", _hash(token)
        )
        is_refresh = row["refresh_hash"] == _hash(token)
        facts = self._facts(row["sign_in_id"], seconds=1)
        answer = self._post_as(client_id, "/introspect", {"token": token})
        if answer.status_code == 200 and answer.get_json()["active"]:
            ends = (
                min(row["refresh_expires_at"], row["family_expires_at"])
                if is_refresh
                else row["access_expires_at"]
            )
            assert not is_refresh or row["refresh_used_at"] is None, "a used refresh token is active"
            self._check_use(row, facts, ends, "an active token")

    def _check_use(self, token: Row, facts: Facts, ends: datetime, what: str) -> None:
        """Tokens that are out are good for minutes; only what came up about their user is judged anew."""
        client = self._client(token["client_id"])
        assert token["revoked_at"] is None, f"{what}, revoked"
        assert ends > facts.now, f"{what}, too late"
        assert client["enabled"], f"{what} of an application that is switched off"
        assert token["issued_at"] >= client["valid_after"], f"{what} from before a new secret"
        assert facts.sign_in["ended_at"] is None, f"{what} of a sign-in that has ended"
        risky = (
            facts.user_risk(whole=True)[0] or facts.user["must_change_password"] or not facts.user["enabled"]
        )
        why = why_not(facts, token["client_id"], token["scope"].split()) if risky else None
        assert not why, f"{what} although {why}"
        self.field.seen[what] += 1

    # What is stored

    def _one(self, statement: str, *parameters: object) -> Row:
        return self.field.select(statement, *parameters)[0]

    def _client(self, client_id: str) -> Row:
        return self._one("SELECT * FROM idprotect_client WHERE id = ?", client_id)

    def _user(self, person: Person) -> Row:
        return self.stored["user"][person.id]

    @staticmethod
    def _pending_in(url: str) -> str:
        match = re.search(r"/(?:interaction|authorize|sign-in)/([\w-]{20,})", url)
        return match.group(1) if match else ""

    def _pending_row(self, pending_id: str) -> Row | None:
        found = self.field.select("SELECT * FROM idprotect_pending_authorization WHERE id = ?", pending_id)
        return found[0] if found else None

    def _sign_in_of(self, cookie: str | None) -> Row | None:
        """Return the sign-in that a browser's cookie belongs to, if it is alive."""
        found = self.field.select(
            "SELECT * FROM idprotect_sign_in WHERE cookie_hash = ?", _hash(cookie or "")
        )
        now = self.moment.time
        for row in found:
            if row["ended_at"] is None and now < min(
                row["expires_at"], row["last_seen_at"] + timedelta(hours=1)
            ):
                return row
        return None

    def _facts(self, sign_in_id: str, *, seconds: int = 0) -> Facts:
        """Read everything that the oracle wants to know, as it is now or will be in a second."""
        sign_in = self._one("SELECT * FROM idprotect_sign_in WHERE id = ?", sign_in_id)
        stored = self._snapshot()
        version = self._one("SELECT * FROM idprotect_policy_version ORDER BY version DESC LIMIT 1")
        user = stored["user"][sign_in["user_id"]]
        factors = [f for f in stored["factor"].values() if f["user_id"] == user["id"]]
        return Facts(
            now=self.moment.time + timedelta(seconds=seconds),
            sign_in=sign_in,
            user=user,
            detections=tuple(d for d in stored["detection"].values() if d["user_id"] == user["id"]),
            sign_ins=stored["sign_in"],
            registered=any(f["confirmed_at"] and not f["disabled_at"] for f in factors),
            consents={
                c["client_id"]: frozenset(c["scopes"])
                for c in stored["consent"].values()
                if c["user_id"] == user["id"]
            },
            agreed=frozenset(
                row["terms"]
                for row in self.field.select(
                    "SELECT terms FROM idprotect_terms_acceptance a JOIN idprotect_terms t ON t.name = a.terms"
                    " WHERE a.user_id = ? AND a.version >= t.required",
                    user["id"],
                )
            ),
            first_party=frozenset({f"first-{self.number}"}),
            document=version["document"],
            emergency=bool(version["emergency"]),
        )

    def _snapshot(self) -> dict[str, dict[Any, Row]]:
        ids = tuple(person.id for person in self.people.values())
        tables = {
            "user": "SELECT * FROM idprotect_user WHERE id IN (?, ?)",
            "sign_in": "SELECT * FROM idprotect_sign_in WHERE user_id IN (?, ?)",
            "factor": "SELECT * FROM idprotect_authenticator WHERE user_id IN (?, ?)",
            "challenge": "SELECT * FROM idprotect_challenge WHERE user_id IN (?, ?)",
            "consent": "SELECT *, client_id || user_id AS id FROM idprotect_consent WHERE user_id IN (?, ?)",
            "acceptance": "SELECT * FROM idprotect_terms_acceptance WHERE user_id IN (?, ?)",
            "token": "SELECT * FROM idprotect_token WHERE user_id IN (?, ?)",
            "detection": "SELECT * FROM idprotect_risk_detection WHERE user_id IN (?, ?)"
            " AND state IN ('at_risk', 'confirmed_compromised')",
        }
        return {
            name: {row["id"]: row for row in self.field.select(statement, *ids)}
            for name, statement in tables.items()
        }


@pytest.fixture
def ground(tmp_path: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Field:
    """Build the server on SQLite."""
    moment = Moment()
    monkeypatch.setattr(clock, "now", moment.now)
    tmp_path.chmod(0o700)
    (tmp_path / "anonymous.txt").write_text(TOR_ADDRESS + "\n")
    quiet = {"IDPROTECT_MAIL_SENDER": "null", "IDPROTECT_RESEND_WAIT": 0}
    app = build_app(ISSUER, tmp_path, keys, **quiet)
    app.extensions["idprotect"].sms = inbox = Inbox()
    with app.app_context():
        migrations.upgrade()
        terms.create("rules", "Rules", "Version 1", "admin")
        session().commit()
    rows = sqlite3.connect(tmp_path / "idprotect.sqlite", isolation_level=None)
    rows.row_factory = sqlite3.Row
    return Field(app, rows, moment, inbox)


def test_nothing_is_ever_given_out_that_the_policies_do_not_allow(ground: Field) -> None:
    """I1, I2, I5, I6, I7, F073, F110, C068: whatever anybody does in whatever order; and no answer is an error of ours."""
    profile = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=not ASKED_FOR,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(partial(Walk, ground), settings=profile)
    print(ground.seen)
    # A walk that never gets anywhere would prove nothing. What is rare is in the journeys.
    wanted = {
        *(f"page {step}" for step in STEP_PAGES if step != "review"),
        "a code",
        "a code after a second factor",
        "an account page",
        "tokens for a code",
        "tokens for a refresh",
        "claims",
        "an active token",
        "mfa",
        "consent",
        "terms",
        "new password",
        "recovery",
    }
    assert not wanted - set(ground.seen), f"the walks were too short: {sorted(wanted - set(ground.seen))}"
