"""Signing out: what applications ask for (RP-Initiated Logout 1.0), and what they hear (Back-Channel Logout 1.0)."""

import json
import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from sqlalchemy import select

from idprotect import clients, protection, retention, sessions, users
from idprotect.deliveries import WAITS, claim
from idprotect.models import Delivery, PairwiseSubject, SignIn, session
from idprotect.registration import Registration
from idprotect.senders import SendError
from idprotect.senders.outgoing import PUBLIC, _is_allowed, post_form
from idprotect.worker import Courier
from tests.oidc.applications import Listener, listening
from tests.oidc.server import CALLBACK, FOREIGN, Application, Person, Server, error_of

SIGNED_OUT = "https://app.example/signed-out"
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture(autouse=True)
def only_this(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliver by command, so that a test knows when; and nothing of another test."""
    with server.arranging():
        while sessions.expire():
            pass
        session().query(Delivery).delete()


@pytest.fixture
def notes(server: Server) -> Application:
    """An application whose users come back after signing out."""
    return server.application(post_logout_redirect_uris=(SIGNED_OUT, f"{SIGNED_OUT}?of=notes"))


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Where the application hears of ended sign-ins."""
    with listening() as listener:
        yield listener


@pytest.fixture
def hearing(server: Server, listener: Listener) -> Application:
    """An application that wants to be told."""
    return server.application(backchannel_logout_uri=listener.url)


def end_session(person: Person, method: str = "GET", **parameters: str) -> Person:
    """Send a person to sign out."""
    if method == "POST":
        return person.go("/end-session", "POST", parameters)
    return person.go("/end-session?" + urlencode(parameters))


def is_signed_in(server: Server, person: Person) -> bool:
    """Whether the person would get a code without a page."""
    return "code" in server.application().ask(person, prompt="none")


# What an application asks for


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_own_hint_signs_out_at_once(
    server: Server, notes: Application, signed_in: Person, method: str
) -> None:
    """C005, SR6 logout: by GET and POST; the state comes back exactly, and nothing but the state."""
    id_token = notes.tokens(signed_in)["id_token"]
    state = "täglich & %2F=+"
    end_session(signed_in, method, id_token_hint=id_token, post_logout_redirect_uri=SIGNED_OUT, state=state)
    assert signed_in.path.startswith(SIGNED_OUT + "?")
    assert signed_in.answer == {"state": state}
    assert not is_signed_in(server, signed_in)


def test_a_post_from_another_site_comes_without_cookies(
    server: Server, notes: Application, signed_in: Person
) -> None:
    """SameSite: the POST itself ends nothing, the GET that it leads to does."""
    form = {"id_token_hint": notes.tokens(signed_in)["id_token"], "post_logout_redirect_uri": SIGNED_OUT}
    answer = server.send(
        "POST",
        "/end-session",
        form,
        headers={"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 303
    assert form["id_token_hint"] not in answer.location
    assert is_signed_in(server, signed_in)
    assert signed_in.go(answer.location).path == SIGNED_OUT
    assert not is_signed_in(server, signed_in)


def test_no_state_no_query(notes: Application, signed_in: Person) -> None:
    """RP-Initiated Logout 3: the URI is used as it was registered."""
    id_token = notes.tokens(signed_in)["id_token"]
    uri = f"{SIGNED_OUT}?of=notes"
    assert end_session(signed_in, id_token_hint=id_token, post_logout_redirect_uri=uri).path == uri


def test_an_expired_hint_is_good(server: Server, notes: Application) -> None:
    """RP-Initiated Logout 2: the hint says who, whenever it was issued."""
    person = server.person().sign_in()
    id_token = notes.tokens(person)["id_token"]
    for _ in range(3):
        server.clock.move(minutes=50)
        person.go("/account")
    end_session(person, id_token_hint=id_token, post_logout_redirect_uri=SIGNED_OUT)
    assert person.path == SIGNED_OUT


def test_hint_of_a_sign_in_that_was_renewed_in_this_browser(
    server: Server, notes: Application, signed_in: Person
) -> None:
    """After ``prompt=login`` there is another sign-in; who has an ID token of the one before may end both."""
    id_token = notes.tokens(signed_in)["id_token"]
    refresh_token = notes.tokens(signed_in)["refresh_token"]
    other = server.application()
    signed_in.go(other.url(prompt="login")).sign_in()
    assert "code" in signed_in.answer
    assert end_session(signed_in, id_token_hint=id_token).step == "/end-session/leave"
    assert not is_signed_in(server, signed_in)
    assert error_of(notes.refresh(refresh_token)) == (400, "invalid_grant")


def test_somebody_elses_hint_is_asked_about(server: Server, notes: Application, signed_in: Person) -> None:
    """A 10.6.2: a link with a stranger's ID token, or with one of another browser, signs nobody out by itself."""
    stranger, elsewhere = server.person().sign_in(), Person(server, signed_in.user_id, signed_in.username)
    elsewhere.sign_in()
    for somebody in (stranger, elsewhere):
        id_token = notes.tokens(somebody)["id_token"]
        end_session(signed_in, id_token_hint=id_token, post_logout_redirect_uri=SIGNED_OUT, state="x")
        assert signed_in.step == "/end-session/leave"
        assert "Sign out?" in signed_in.page.text
        assert is_signed_in(server, signed_in)
    end_session(signed_in, id_token_hint=id_token, post_logout_redirect_uri=SIGNED_OUT, state="x")
    assert signed_in.submit(button="").answer == {"state": "x"}
    assert not is_signed_in(server, signed_in)
    assert is_signed_in(server, elsewhere)


def test_without_hint_the_person_is_asked(server: Server, notes: Application, signed_in: Person) -> None:
    """RP-Initiated Logout 2: no parameter at all, only a state, only a URI, only a client: a question, no redirect."""
    for parameters in (
        {},
        {"state": "x"},
        {"post_logout_redirect_uri": SIGNED_OUT, "state": "x"},
        {"client_id": notes.id},
        {"client_id": notes.id, "post_logout_redirect_uri": SIGNED_OUT},
    ):
        end_session(signed_in, **parameters)
        assert "Sign out?" in signed_in.page.text, parameters
        assert is_signed_in(server, signed_in)
    end_session(signed_in, client_id=notes.id, post_logout_redirect_uri=SIGNED_OUT)
    assert signed_in.submit(button="").path == SIGNED_OUT


def test_the_question_needs_its_own_form(server: Server, notes: Application, signed_in: Person) -> None:
    """SR9 CSRF: a POST without the token of the page ends nothing."""
    end_session(signed_in, client_id=notes.id)
    assert signed_in.send("POST", signed_in.path, {}).status_code == 400
    assert is_signed_in(server, signed_in)


def test_the_form_of_the_question_may_end_at_the_application(notes: Application, signed_in: Person) -> None:
    """Chromium holds the redirect after the POST to ``form-action``."""
    end_session(signed_in, client_id=notes.id, post_logout_redirect_uri=SIGNED_OUT)
    assert "form-action 'self' https:" in signed_in.page.headers["Content-Security-Policy"]


def test_who_is_not_signed_in_goes_back(server: Server, notes: Application, signed_in: Person) -> None:
    """With a hint at once; without, a link is offered and no redirect made."""
    id_token = notes.tokens(signed_in)["id_token"]
    nobody = server.person()
    end_session(nobody, id_token_hint=id_token, post_logout_redirect_uri=SIGNED_OUT)
    assert nobody.path == SIGNED_OUT
    end_session(nobody, client_id=notes.id, post_logout_redirect_uri=SIGNED_OUT)
    assert nobody.step == "/end-session/leave"
    assert f'href="{SIGNED_OUT}"' in nobody.page.text


@pytest.mark.parametrize(
    "uri",
    [
        FOREIGN,
        f"{SIGNED_OUT}/",
        f"{SIGNED_OUT}?a=b",
        f"{SIGNED_OUT}?of=notes&a=b",
        SIGNED_OUT.upper(),
        f"{SIGNED_OUT}#x",
        "https://app.example@evil.example/signed-out",
        CALLBACK,
        "javascript:alert(1)",
    ],
)
def test_unregistered_uri_is_refused(server: Server, notes: Application, signed_in: Person, uri: str) -> None:
    """SR6 post-logout URIs byte-exact, RP-Initiated Logout 3: no redirect, and an error page of ours."""
    id_token = notes.tokens(signed_in)["id_token"]
    end_session(signed_in, id_token_hint=id_token, post_logout_redirect_uri=uri, state="x")
    assert signed_in.path.startswith("/end-session?")
    assert signed_in.page.status_code == 400
    assert is_signed_in(server, signed_in)


def test_a_uri_that_was_taken_away_is_refused(server: Server, notes: Application, signed_in: Person) -> None:
    """What is registered now counts."""
    id_token = notes.tokens(signed_in)["id_token"]
    result = server.cli("client", "change", notes.id, "--post-logout-redirect-uri", "https://app.example/b")
    assert result.exit_code == 0, result.output
    end_session(signed_in, id_token_hint=id_token, post_logout_redirect_uri=SIGNED_OUT)
    assert signed_in.page.status_code == 400


def test_hints_that_are_not_ours(
    server: Server, notes: Application, signed_in: Person, listener: Listener
) -> None:
    """SR6 token kinds are never interchangeable: changed, foreign, unsigned, of another kind, of another client."""
    tokens = notes.tokens(signed_in)
    header, payload, signature = tokens["id_token"].split(".")
    foreign = RSAKey.generate_key(2048, {"kid": "x"}, private=True)
    claims = notes.claims(tokens["id_token"])
    for hint in (
        tokens["access_token"],
        f"{header}.{payload}.{signature[:-6]}AAAAAA",
        f"{header}.{payload[:-4]}AAAA.{signature}",
        f"eyJhbGciOiJub25lIn0.{payload}.",
        jwt.encode({"alg": "RS256", "kid": "x"}, claims, foreign),
        "x",
        "....",
        "W1tbW1tb" * 1000 + ".e30.x",
    ):
        end_session(signed_in, "POST", id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT)
        assert signed_in.page.status_code == 400, hint[:80]
        assert signed_in.path.startswith("/end-session")
    other = server.application(post_logout_redirect_uris=(SIGNED_OUT,))
    end_session(signed_in, client_id=other.id, id_token_hint=tokens["id_token"])
    assert signed_in.page.status_code == 400
    assert is_signed_in(server, signed_in)


def test_a_logout_token_is_no_hint(
    server: Server, hearing: Application, listener: Listener, signed_in: Person
) -> None:
    """SR6 token kinds: it has the same signature, issuer and audience as an ID token."""
    hearing.tokens(signed_in)
    end_session(signed_in).submit(button="")
    deliver(server)
    nobody = server.person()
    end_session(nobody, id_token_hint=listener.received[0]["logout_token"])
    assert nobody.page.status_code == 400


def test_a_link_of_ours_cannot_be_made_up(server: Server, signed_in: Person) -> None:
    """What was validated travels signed, and for a quarter of an hour."""
    end_session(signed_in)
    path = signed_in.path
    # Not the last letter: it has bits that stand for nothing, so another one may say the same.
    changed = path[:-9] + ("x" if path[-9] != "x" else "y") + path[-8:]
    for bad in ("/end-session/leave", "/end-session/leave?request=x", changed, f"{path}x"):
        assert signed_in.go(bad).page.status_code == 400
    server.clock.move(minutes=16)
    assert signed_in.go(path).page.status_code == 400


# What applications hear


def deliver(server: Server) -> dict[str, int]:
    """Let the command tell everybody."""
    result = server.cli("deliver", "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.output))


def logout_claims(server: Server, listener: Listener, number: int = -1) -> dict[str, object]:
    """Return the claims of a received logout token whose signature is good."""
    received = listener.received[number]
    assert received.keys() == {"logout_token"}
    token = jwt.decode(received["logout_token"], server.keys(), ["RS256"])
    assert token.header["typ"] == "logout+jwt"
    return dict(token.claims)


def test_a_deleted_user_is_told_of_by_the_known_subject_which_is_then_forgotten(
    server: Server, listener: Listener, signed_in: Person
) -> None:
    """OIDC Core 8, section 11: nothing that leads to a person stays, once the application was told of the end."""
    uris = ("https://private.example/cb",)
    private = server.application(
        subject_type="pairwise", redirect_uris=uris, backchannel_logout_uri=listener.url
    )
    known = private.claims(private.tokens(signed_in)["id_token"])["sub"]
    kept = server.person().sign_in()
    private.tokens(kept)
    server.act(users.delete, signed_in.username, "admin", "gone")

    def remembered() -> set[str]:
        with server.arranging():
            retention.purge()
            return set(session().scalars(select(PairwiseSubject.user_id)))

    both = {signed_in.user_id, kept.user_id}
    assert remembered() & both == both
    deliver(server)
    assert logout_claims(server, listener)["sub"] == known
    assert remembered() & both == {kept.user_id}


def test_an_application_is_told_that_its_user_signed_out(
    server: Server, hearing: Application, listener: Listener, signed_in: Person
) -> None:
    """C006, Back-Channel Logout 2.4 and 2.5: one form field, a signed token with sub and sid, and no nonce."""
    id_claims = hearing.claims(hearing.tokens(signed_in)["id_token"])
    end_session(signed_in).submit(button="")
    assert deliver(server)["delivered"] == 1
    claims = logout_claims(server, listener)
    assert {name: claims[name] for name in ("iss", "sub", "aud", "sid")} == {
        name: id_claims[name] for name in ("iss", "sub", "aud", "sid")
    }
    assert claims["events"] == {EVENT: {}}
    assert claims["exp"] - claims["iat"] <= 120  # type: ignore[operator]
    assert claims["jti"]
    assert "nonce" not in claims
    assert listener.kinds == ["application/x-www-form-urlencoded"]
    assert deliver(server) == {"expired": 0, "heard": 0, "queued": 0, "delivered": 0, "failed": 0}
    assert len(listener.received) == 1


def test_only_applications_of_the_session_are_told(
    server: Server, hearing: Application, listener: Listener, signed_in: Person
) -> None:
    """Who has no tokens of this sign-in hears nothing of it."""
    stranger = server.person().sign_in()
    hearing.tokens(stranger)
    end_session(signed_in).submit(button="")
    deliver(server)
    assert listener.received == []


@pytest.mark.parametrize("how", ["on the account pages", "revoked", "confirmed compromised", "disabled"])
def test_whatever_ends_a_sign_in_is_told(
    server: Server, hearing: Application, listener: Listener, signed_in: Person, how: str
) -> None:
    """F111, SR7: one event that everything listens to, whoever ended the sign-in."""
    sid = hearing.claims(hearing.tokens(signed_in)["id_token"])["sid"]
    if how == "on the account pages":
        signed_in.go("/sign-out").submit(button="")
    else:
        with server.arranging():
            user = server.user(signed_in.username)
            if how == "confirmed compromised":
                protection.confirm_compromised(user, "admin", "leak")
            else:
                sessions.end_all(user.id, how, actor="admin")
    deliver(server)
    assert [logout_claims(server, listener, number)["sid"] for number in range(len(listener.received))] == [
        sid
    ]


def test_expiry_is_told_and_leaves_refresh_tokens(
    server: Server, hearing: Application, listener: Listener, signed_in: Person
) -> None:
    """A session that idled out is over for applications, too; access that was given for longer goes on."""
    tokens = hearing.tokens(signed_in)
    assert deliver(server)["expired"] == 0
    server.clock.move(hours=2)
    assert deliver(server)["expired"] >= 1
    assert logout_claims(server, listener)["sid"] == hearing.claims(tokens["id_token"])["sid"]
    assert hearing.refresh(tokens["refresh_token"]).status_code == 200
    deliver(server)
    assert len(listener.received) == 1


def test_failures_are_tried_again_and_logged(
    server: Server, hearing: Application, listener: Listener, signed_in: Person
) -> None:
    """Retries with growing pauses, the same ``jti``, no redirects followed; each answer is in the log."""
    listener.answers = [500, 302, 400]
    hearing.tokens(signed_in)
    end_session(signed_in).submit(button="")
    assert deliver(server)["failed"] == 1
    assert deliver(server) == {"expired": 0, "heard": 0, "queued": 0, "delivered": 0, "failed": 0}, (
        "too early"
    )
    for wait in WAITS[:2]:
        server.clock.move(seconds=wait.total_seconds() + 1)
        assert deliver(server)["failed"] == 1
    assert re.search(r"waiting.*3.*400", server.cli("deliveries", "--to", hearing.id).output, re.S)
    server.clock.move(seconds=WAITS[2].total_seconds() + 1)
    assert deliver(server)["delivered"] == 1
    claims = [logout_claims(server, listener, number) for number in range(4)]
    assert len({claim["jti"] for claim in claims}) == 1
    assert claims[0]["iat"] < claims[3]["iat"]  # type: ignore[operator]
    assert "delivered" in server.cli("deliveries", "--to", hearing.id).output


def test_an_application_that_never_listens_is_given_up(
    server: Server, hearing: Application, listener: Listener, signed_in: Person
) -> None:
    """The table does not grow for ever, and the audit log says who was not told."""
    listener.answers = [503] * 20
    hearing.tokens(signed_in)
    end_session(signed_in).submit(button="")
    for wait in (*WAITS, WAITS[-1], WAITS[-1]):
        deliver(server)
        server.clock.move(seconds=wait.total_seconds() + 1)
    assert len(listener.received) == len(WAITS) + 1
    listed = server.cli("deliveries", "--to", hearing.id, "--undelivered").output
    assert "given up" in listed
    assert "logout:not_delivered" in server.cli("audit", "list", "--user", signed_in.username).output


def test_an_end_is_told_once(
    server: Server, hearing: Application, listener: Listener, signed_in: Person
) -> None:
    """What has ended does not end again, whoever wants it to."""
    hearing.tokens(signed_in)
    end_session(signed_in).submit(button="")
    with server.arranging():
        sign_in = session().get_one(SignIn, server.sign_in_of(signed_in).id)
        sessions.end(sign_in, "again")
        sessions.end_all(signed_in.user_id, "again", actor="admin")
        assert sign_in.end_reason == "signed_out"
    assert deliver(server)["delivered"] == 1


def test_a_notice_is_sent_by_one_worker(
    server: Server, hearing: Application, listener: Listener, signed_in: Person
) -> None:
    """A claimed notice is left alone until its worker must have died."""
    hearing.tokens(signed_in)
    end_session(signed_in).submit(button="")
    with server.arranging():
        claimed = claim()
        assert claimed is not None
        assert claimed.recipient == hearing.id
    assert deliver(server)["delivered"] == 0
    server.clock.move(seconds=61)
    assert deliver(server)["delivered"] == 1


def test_the_server_tells_by_itself(
    server: Server,
    hearing: Application,
    listener: Listener,
    signed_in: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No command is needed: a thread of the process works while something waits."""
    courier = Courier(server.front)
    monkeypatch.setattr(server.front.extensions["idprotect"], "courier", courier)
    hearing.tokens(signed_in)
    end_session(signed_in).submit(button="")
    assert listener.heard.wait(20)
    assert logout_claims(server, listener)["aud"] == hearing.id
    for _ in range(200):
        with server.arranging():
            row = session().query(Delivery).filter_by(recipient=hearing.id).one()
            if row.delivered_at is not None:
                break
        listener.heard.clear()
        listener.heard.wait(0.1)
    assert row.answer == "200"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::a9fe:a9fe", False),
        ("fec0::1", False),
        ("::169.254.169.254", False),
        ("::ffff:0:169.254.169.254", False),
        ("2002:7f00:1::", False),
    ],
)
def test_only_public_addresses_are_called(address: str, public: bool) -> None:
    """SR6 server-side fetches, A 1.3.6: also behind the spellings of IPv6."""
    assert _is_allowed(address, PUBLIC, need_loopback=False) is public


def test_in_production_nothing_on_this_machine_is_called(listener: Listener) -> None:
    """SR6 server-side fetches: a canary on the loopback address hears nothing, by name or number."""
    port = listener.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
        for scheme in ("http", "https"):
            with pytest.raises(SendError):
                post_form(f"{scheme}://{host}:{port}", {"a": "b"})
    assert listener.received == []


def test_uris_are_checked_when_they_are_registered(server: Server) -> None:
    """SR6 dangerous schemes refused at registration."""
    for options in (
        {"post_logout_redirect_uris": ("http://app.example/",)},
        {"post_logout_redirect_uris": ("javascript:alert(1)",)},
        {"backchannel_logout_uri": "http://app.example/"},
        {"backchannel_logout_uri": "https://app.example/#x"},
        {"backchannel_logout_uri": "https://user@app.example/"},
    ):
        with server.arranging(), pytest.raises(Exception, match="must be https|fragment|user name"):
            clients.create(Registration(client_name="App", redirect_uris=(CALLBACK,), **options), by="test")


def test_sid_is_that_of_the_session(server: Server, notes: Application, signed_in: Person) -> None:
    """Back-Channel Logout 2.1: the same for all applications of one session, another for the next."""
    first, second = (
        server.application().claims(application.tokens(signed_in)["id_token"])["sid"]
        for application in (notes, server.application())
    )
    assert first == second
    other = Person(server, signed_in.user_id, signed_in.username).sign_in()
    assert notes.claims(notes.tokens(other)["id_token"])["sid"] != first


def test_sid_tells_sectors_nothing_of_one_another(
    server: Server, listener: Listener, signed_in: Person
) -> None:
    """D06, OIDC Core 8.1: of its sector's own, in ID and logout tokens alike; else it would join what subjects part."""

    def pairwise(host: str) -> Application:
        return server.application(
            subject_type="pairwise",
            redirect_uris=(f"https://{host}/cb",),
            backchannel_logout_uri=listener.url,
        )

    applications = [pairwise(host) for host in ("a.example", "a.example", "b.example")]
    hints = [one.tokens(signed_in)["id_token"] for one in applications]
    one, same, other = (one.claims(hint)["sid"] for one, hint in zip(applications, hints, strict=True))
    public = server.application()
    assert one == same
    assert len({one, other, public.claims(public.tokens(signed_in)["id_token"])["sid"]}) == 3
    end_session(signed_in, id_token_hint=hints[2])
    assert not is_signed_in(server, signed_in), "a hint of this very session, nobody is asked"
    deliver(server)
    told = [logout_claims(server, listener, number) for number in range(3)]
    assert {(claims["aud"], claims["sid"]) for claims in told} == {
        (application.id, sid) for application, sid in zip(applications, (one, same, other), strict=True)
    }


def test_a_pairwise_hint_of_another_session_asks_first(server: Server, signed_in: Person) -> None:
    """RP-Initiated Logout 2: it is of the person, but not of this browser."""
    application = server.application(subject_type="pairwise")
    other = Person(server, signed_in.user_id, signed_in.username).sign_in()
    end_session(signed_in, id_token_hint=application.tokens(other)["id_token"])
    assert is_signed_in(server, signed_in)
