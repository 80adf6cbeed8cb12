"""The console in headless Chromium: each screen in four looks, each dialogue, without scripts, by the keyboard alone."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from idprotect import clock, policy_drafts, protection, triage, users, workloads
from idprotect.event_types import RISK_LEVEL_CHANGE
from idprotect.models import Receipt, ReceivedSignal, RiskDetection, SignIn, User, session
from idprotect.oidc import document_clients
from idprotect.risk import RiskLevel
from idprotect.risk.detections.shared_signal import shared_signal
from idprotect.signal_sources import sources
from idprotect.signal_sources.sources import Wanted
from tests.support.browser import NewPage, assert_clean
from tests.support.documents import documents
from tests.support.world import (
    CHROME,
    MFA_POLICY,
    OTHER_ADDRESS,
    PASSWORD,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_POLICY,
    World,
)
from tests.test_browser import look

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

REASON = "They called, and we called back."

# Text whose colour does not stand out from what is behind it (WCAG 1.4.3), in words.
FAINT = """() => {
    const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const rgba = colour => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255)
        .map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
    const behind = element => {
        for (let one = element; one; one = one.parentElement) {
            const colour = rgba(getComputedStyle(one).backgroundColor);
            if (colour[3] > 250) return colour;
        }
        return [255, 255, 255, 255];
    };
    const faint = new Set();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest(".unseen")) continue;
        const style = getComputedStyle(element);
        const front = luminance(rgba(element.closest("svg") ? style.fill : style.color)), back = luminance(behind(element));
        const ratio = (Math.max(front, back) + .05) / (Math.min(front, back) + .05);
        const large = parseFloat(style.fontSize) >= 24;
        if (ratio < (large ? 3 : 4.5)) faint.add(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
    }
    return [...faint];
}"""


@pytest.fixture
def busy(make_world: Callable[..., World]) -> World:
    """Return a server on which something happened, and people who look after it; a slow machine asks nobody twice."""
    world = make_world(IDPROTECT_REAUTHENTICATION=3600, IDPROTECT_ADMIN_IDLE=3600)
    world.apply(SIGN_IN_RISK_POLICY, USER_RISK_POLICY)
    world.list_address()
    people: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
        ("eve", "Eve Adams", ("totp",), ("administrator",)),
        ("ada", "Ada Lovelace", ("totp",), ()),
        ("kim", "Kim Park", (), ()),
        ("leo", "Leo Costa", ("totp",), ()),
    )
    for username, name, authenticators, roles in people:
        world.make_user(username, name=name, authenticators=authenticators, roles=roles)
    world.browser().start().sign_in("ada")
    world.browser(TOR_ADDRESS).start().sign_in("ada")
    world.browser(TOR_ADDRESS, CHROME).start().sign_in("kim")
    world.browser(OTHER_ADDRESS).start().sign_in("kim", "not the password of anybody")
    world.act(protection.confirm_compromised, "leo", "eve", "seen in a phishing kit")
    return world


def come_in(page: Page, world: World, username: str = "eve") -> None:
    """Sign in to the console."""
    page.goto(f"{world.url}/admin/")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code", exact=True).fill(world.totp(username))
    page.get_by_role("button", name="Verify", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")


def test_an_expression_is_written_with_help_and_its_mistake_stands_below_it(
    busy: World, new_page: NewPage
) -> None:
    """C063: the form in four looks, with what can be named, a mistake, and the sentence; without scripts."""
    page = new_page()
    come_in(page, busy)
    page.goto(f"{busy.url}/admin/policy/new")
    page.get_by_label("Name", exact=True).fill("from-abroad")
    page.get_by_label("Ask for a second factor", exact=True).check()
    page.get_by_label("Provided that").fill('not known_device and countri not in ["DE", "AT"]')
    page.get_by_text("what it can name").click()
    look(page, "console-expression")
    page.get_by_role("button", name="See what would come of it").first.click()
    expect(page.locator("#expression-error")).to_contain_text("did you mean 'country'?")
    look(page, "console-expression-mistake")
    faint(page)
    page.get_by_label("Provided that").fill('not known_device\nand country not in ["DE", "AT"]')
    page.get_by_role("button", name="See what would come of it").first.click()
    expect(
        page.get_by_text('provided that not known_device and country not in ["DE", "AT"]').first
    ).to_be_visible()
    look(page, "console-expression-preview")
    faint(page)


def test_each_screen_in_four_looks(busy: World, new_page: NewPage) -> None:
    """Issue 4: one product with the sign-in pages, strict CSP, phone and desktop, AA contrast in light and dark."""
    page = new_page()
    with busy.arranging():
        text = USER_RISK_POLICY + MFA_POLICY
        draft_id = policy_drafts.create("Second factor for all", text, 1, "ann-from-security").id
        workloads.observe_burst("notes", "reads", 2000)
    come_in(page, busy)
    look(page, "console-overview")
    faint(page)
    for name in (
        "Risky users",
        "Risky sign-ins",
        "Detections",
        "Sign-in log",
        "Sessions",
        "Audit log",
        "Users",
        "Applications",
        "Roles",
        "Policies",
        "Named locations",
        "Visitors’ addresses",
    ):
        page.get_by_role("navigation", name="Console").get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        look(page, f"console-{name.lower().replace(' ', '-')}")
        faint(page)
    for path in (
        "policies/versions",
        "policies/versions/1",
        "policies/edit",
        "drafts",
        f"drafts/{draft_id}",
        f"drafts/{draft_id}/discard",
        "policies/what-if?user=ada&sign_in_risk=high",
        "policies/state/user-risk/off",
        "policy/?name=sign-in-risk",
        "policy/remove?name=user-risk",
        "application/new",
        "application/errors?id=notes",
        "applications/notes",
        "application/?id=notes",
        "application/secret?id=notes",
        "application/switch?id=notes",
        "application/dismiss?id=notes",
        "applications/none-is-called-so",
        "data-files",
        "policies/report",
        "policies/emergency",
        "policies/template/mfa-registration",
        "locations/new",
    ):
        page.goto(f"{busy.url}/admin/{path}")
        look(page, f"console-{path.partition('?')[0].strip('/').replace('/', '-').replace(draft_id, 'one')}")
        faint(page)
    page.goto(f"{busy.url}/admin/sign-ins/?decision=blocked")
    page.get_by_role("cell").get_by_role("link").first.click()
    expect(page.get_by_text("What helps")).to_be_visible()
    look(page, "console-stopped-sign-in")
    for link, name in (("Sign-in log", "sign-in"), ("Users", "user"), ("Audit log", "event")):
        page.get_by_role("navigation", name="Console").get_by_role("link", name=link, exact=True).click()
        page.get_by_role("cell").get_by_role("link").first.click()
        expect(page.get_by_role("heading", level=1)).not_to_have_text(link)
        for closed in page.locator("main details").all():
            closed.locator("summary").first.click()
        look(page, f"console-one-{name}")
        faint(page)


def test_an_application_by_document_in_four_looks(
    make_world: Callable[..., World], new_page: NewPage
) -> None:
    """C016: the console says that nobody registered it, how its document is doing, and changes little of it."""
    world, page = make_world(IDPROTECT_CLIENT_ID_METADATA_DOCUMENTS=True), new_page()
    world.make_user("eve", authenticators=("totp",), roles=("administrator",))
    with documents() as shelf:
        url = shelf.url + "/agents/desktop/client.json"
        document = {
            "client_id": url,
            "client_name": "Your trusted helper",
            "redirect_uris": ["http://127.0.0.1/cb"],
        }
        shelf.put("/agents/desktop/client.json", document)
        with world.app.test_request_context():
            document_clients.bring(url)
        shelf.sheets.clear()
        assert world.cli("client", "read-document", url).exit_code == 1
    come_in(page, world)
    page.goto(f"{world.url}/admin/applications/?by_document=yes")
    look(page, "console-applications-by-document")
    page.get_by_role("cell").get_by_role("link").first.click()
    expect(page.get_by_text("the answer was 404")).to_be_visible()
    look(page, "console-application-by-document")
    faint(page)
    page.get_by_role("link", name="Change", exact=True).click()
    look(page, "console-application-by-document-change")
    page.get_by_label("Resource servers that it may name instead").fill("https://api.example/")
    page.get_by_role("textbox", name="Reason").fill(REASON)
    page.get_by_role("button", name="Save").click()
    page.goto(f"{world.url}/admin/applications/{url}")
    expect(page.get_by_text("https://api.example/")).to_be_visible()
    page.get_by_role("link", name="Disable", exact=True).click()
    page.get_by_role("textbox", name="Reason").fill(REASON)
    page.get_by_role("button", name="Disable").click()
    page.goto(f"{world.url}/admin/applications/{url}")
    expect(page.get_by_text("disabled", exact=True)).to_be_visible()


def test_signal_sources_in_four_looks(busy: World, new_page: NewPage) -> None:
    """C020: the list, one that is held, the form, the token shown once, each act; by a form without scripts."""
    page = new_page(javascript=False)
    ids = [listen_to(busy, name) for name in ("Head office", "Device management", "Mail provider")]
    hear(busy, ids[0], "ada", "kim")
    with busy.arranging():
        sources.pause(sources.get(ids[1]), "eve", "They were broken into.")
        sources.note_failure(
            sources.get(ids[2]), "invalid_key: The signature is not by a key of this source."
        )
    come_in(page, busy)
    look(page, "console-overview-with-sources")
    faint(page)
    page.get_by_role("navigation", name="Console").get_by_role(
        "link", name="Signal sources", exact=True
    ).click()
    look(page, "console-signal-sources")
    faint(page)
    for path in (
        ids[0], ids[1], f"{ids[0]}/change", f"{ids[0]}/pause", f"{ids[1]}/resume", f"{ids[0]}/undo", f"{ids[0]}/remove",
        f"{ids[0]}/verify",
    ):  # fmt: skip
        page.goto(f"{busy.url}/admin/signal-sources/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        look(page, f"console-signal-source-{path.rpartition('/')[2] if '/' in path else ids.index(path)}")
        faint(page)
    page.get_by_role("navigation", name="Console").get_by_role(
        "link", name="Signal sources", exact=True
    ).click()
    page.get_by_role("link", name="New source").click()
    page.get_by_label("Name", exact=True).fill("Another")
    page.get_by_role("button", name="Listen to it").click()
    look(page, "console-signal-source-problems")
    faint(page)
    page.get_by_label("Issuer", exact=True).fill("https://another.example")
    page.get_by_label("Audience", exact=True).fill("https://id.example")
    page.get_by_label("Where its keys are (JWKS)").fill("https://another.example/jwks")
    page.get_by_role("textbox", name="Reason").fill(REASON)
    page.get_by_role("button", name="Listen to it").click()
    expect(page.get_by_text("whose token is shown this once")).to_be_visible()
    look(page, "console-signal-source-token")
    faint(page)


def listen_to(world: World, name: str) -> str:
    """Listen to somebody; return the id."""
    issuer = f"https://{name.lower().replace(' ', '-')}.example"
    with world.arranging():
        source, _ = sources.add(Wanted(name, issuer, world.url, f"{issuer}/jwks"), "eve")
        return source.id


def hear(world: World, source_id: str, *usernames: str) -> None:
    """Let a source have told of people, and of a stranger."""
    with world.arranging():
        source = sources.get(source_id)
        source.received_at = source.verified_at = clock.now()
        for number, username in enumerate((*usernames, "")):
            user = session().query(User).filter_by(username=username).one_or_none()
            row = ReceivedSignal(
                id=str(number), source_id=source_id, jti=str(number), event_type=RISK_LEVEL_CHANGE,
                received_at=clock.now(), outcome="raised" if user else "not_ours", user_id=user.id if user else None,
            )  # fmt: skip
            if user is not None:
                finding = shared_signal(
                    source.name, RISK_LEVEL_CHANGE, {"current_level": "HIGH"}, RiskLevel.HIGH
                )
                assert finding is not None
                row.detection_id = protection.raise_detection(
                    user, finding, actor="signal-source:Head office"
                ).id
            session().add(row)


def test_a_policy_is_made_from_a_sentence(busy: World, new_page: NewPage) -> None:
    """F038, F051: without scripts: the form, what would come of it, and into force."""
    page = new_page(javascript=False)
    come_in(page, busy)
    page.goto(f"{busy.url}/admin/policies/")
    page.get_by_role("link", name="New policy").click()
    page.get_by_label("Name", exact=True).fill("abroad")
    page.get_by_label("Countries", exact=True).first.fill("fr it")
    page.get_by_role("group", name="Risk of the sign-in").get_by_label("medium").check()
    page.get_by_label("Ask for a second factor").check()
    page.get_by_label("Strength").select_option("one that cannot be phished")
    page.get_by_role("button", name="… and replay 7 days").click()
    seen = page.get_by_role("status")
    expect(seen).to_contain_text("When anybody, from the country FR or IT, in a sign-in whose risk is medium")
    expect(seen).to_contain_text("Careful: policy 'abroad': sign_in_risk names medium without high")
    expect(page.get_by_label("Strength")).to_have_value("phishing_resistant")
    look(page, "console-policy-preview")
    faint(page)
    page.get_by_role("textbox", name="Reason").fill(REASON)
    page.get_by_role("button", name="Put into force").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Policies")
    expect(page.get_by_role("region", name="abroad")).to_contain_text("report only")


def faint(page: Page) -> None:
    """Let no text be faint, by day or by night."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        assert page.evaluate(FAINT) == [], f"{page.url} {scheme}"
    page.emulate_media(color_scheme="light")


def keys_of(world: World) -> dict[str, Callable[[], str]]:
    """Return how to make something for an act to be about, by kind."""
    count = iter(range(1000))

    def somebody(**traits: Any) -> str:
        username = f"person{next(count)}"
        return world.make_user(username, authenticators=("totp",), **traits)

    def sign_in() -> str:
        user_id = somebody()
        now = clock.now()
        times = {"signed_in_at": now, "authenticated_at": now, "last_seen_at": now, "expires_at": now}
        with world.arranging():
            row = SignIn(user_id=user_id, succeeded=True, risk_level=2, aggregated_level=0, **times)
            session().add(row)
            session().flush()
            user = session().get_one(users.User, user_id)
            finding = protection_finding()
            protection.raise_detection(user, finding, row)
            return str(row.id)

    def detection() -> str:
        sign_in_id = sign_in()
        with world.arranging():
            return str(session().query(RiskDetection).filter_by(sign_in_id=sign_in_id).one().id)

    def person() -> str:
        user_id = somebody()
        with world.arranging():
            protection.confirm_compromised(session().get_one(users.User, user_id), "test", end_sessions=False)
        return user_id

    return {"user": person, "sign_in": sign_in, "detection": detection}


def stop(sign_in: SignIn) -> None:
    """Write down that a policy about sign-in risk stopped it: there was no second factor."""
    at = clock.now().isoformat()
    facts = {"at": at, "signed_in_at": at, "user_id": sign_in.user_id, "username": "x", "client_id": "notes"}
    session().add(
        Receipt(
            reference="AAAAA-AAAAA",
            endpoint="authorize",
            sign_in_id=sign_in.id,
            user_id=sign_in.user_id or "",
            client_id="notes",
            policy_version=1,
            outcome="blocked",
            facts={**facts, "sign_in_risk": "medium"},
        )
    )


def protection_finding() -> Any:
    """Return something suspicious about a sign-in."""
    from idprotect.risk import About, Finding, RiskLevel

    return Finding("new_country", RiskLevel.MEDIUM, About.SIGN_IN, ("The country is new.",))


#: What has to be so before an act can be done.
BEFORE: dict[str, Callable[[users.User], Any]] = {
    "unblock": lambda user: users.set_enabled(user, False, "test"),
    "undo_dismissal": lambda user: protection.dismiss(user, "test", "test"),
}


def test_each_dialogue_does_what_it_says(busy: World, new_page: NewPage) -> None:
    """Issue 4: every destructive dialogue in a browser: it names what it does, asks for a reason, and says what came of it."""
    page = new_page()
    come_in(page, busy)
    make = keys_of(busy)
    for act in triage.ACTS.values():
        key = make[act.about]()
        with busy.arranging():
            if act.name in BEFORE:
                BEFORE[act.name](session().get_one(users.User, key))
            if act.name == "reactivate":
                row = session().get_one(RiskDetection, key)
                from idprotect.risk import RiskEvent

                protection.close_detection(row, RiskEvent.ADMIN_IGNORED, "test", "test")
            if act.name == "short_pass":
                stop(session().get_one(SignIn, key))
            if act.name == "recover":
                user = session().get_one(users.User, key)
                user.password_hash = None
        page.goto(f"{busy.url}/admin/acts/{act.name}?id={key}")
        for line in (*act.does, *act.does_not):
            expect(page.get_by_text(line, exact=True)).to_be_visible()
        for option in act.options:
            if option.required:
                page.get_by_label(option.label).check()
        page.get_by_role("textbox", name="Reason").fill(REASON)
        page.get_by_role("button", name=act.label, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"{act.label}: done")
    assert_clean(page)


@pytest.mark.parametrize("javascript", [False, True])
def test_a_compromised_person_is_found_and_handled(busy: World, new_page: NewPage, javascript: bool) -> None:
    """Issue 4, the main path: overview, list, person, dialogue, result; without scripts as well as with them."""
    page = new_page(javascript=javascript)
    come_in(page, busy)
    page.get_by_role("link", name="People at high risk").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Risky users")
    page.get_by_role("link", name="leo").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Leo Costa")
    expect(page.get_by_role("region", name="Risk ledger")).to_contain_text("seen in a phishing kit")
    page.get_by_role("link", name="Temporary password", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Give leo a temporary password")
    page.get_by_role("button", name="Temporary password").click()
    if not javascript:  # with scripts the browser itself asks for the field
        expect(page.get_by_role("heading", level=1)).to_have_text("Give leo a temporary password")
    page.get_by_role("textbox", name="Reason").fill(REASON)
    page.get_by_role("button", name="Temporary password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Temporary password: done")
    temporary = page.locator(".key").inner_text()
    assert_clean(page)
    assert busy.browser().start().sign_in("leo", temporary).step in ("mfa", "password_change")


def test_the_keyboard_alone_is_enough(busy: World, new_page: NewPage) -> None:
    """Rows are chosen, acted on and cleared with Tab, Space and Enter; a skip link leads past the menu."""
    page = new_page()
    come_in(page, busy)
    page.goto(f"{busy.url}/admin/risky-users/?state=open")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    first = page.get_by_role("checkbox", name="Choose row 1")
    first.focus()
    page.keyboard.press("Space")
    page.get_by_label("With the chosen rows").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Dismiss the risk of")
    assert page.evaluate("document.activeElement.id") == "reason"
    page.keyboard.type(REASON)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Dismiss risk: done")
    assert_clean(page)
