"""C068: terms of use on the way from the relying party's button to a validated ID token, over real HTTP."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode, urljoin

import pytest

from idprotect import gate, retention, users
from idprotect.errors import InteractionError, PolicyError
from idprotect.models import Receipt, SignIn, TermsAcceptance, session
from idprotect.risk import RiskLevel
from tests.support.world import CHROME, REGISTRATION_POLICY, SIGN_IN_RISK_POLICY, TOR_ADDRESS, Browser, World
from tests.terms.rules import LOW_RISK, POLICY, accepted, events, make_terms, publish


def at_the_terms(world: World, *policies: str, username: str = "ada") -> Browser:
    """Return a browser in which the terms are to be accepted."""
    if world.cli("user", "show", username).exit_code != 0:
        world.make_user(username)
    world.apply(*(policies or (POLICY,)))
    browser = world.browser().start().sign_in(username)
    assert browser.step == "terms_of_use"
    return browser


def again(browser: Browser) -> Browser:
    """Sign in anew in the same browser."""
    for cookie in list(browser.http.cookies):
        if cookie.name != "idprotect-device":
            browser.http.cookies.clear(cookie.domain, cookie.path, cookie.name)
    return browser.start().sign_in()


def test_a_person_accepts_and_is_not_asked_again(world: World) -> None:
    """C068: the text in full, version and date; then the application, as if nothing had happened."""
    make_terms(world)
    browser = at_the_terms(world)
    assert browser.heading == "The rules of the house"
    assert f"Version 1 · {world.clock.now():%d %B %Y}" in browser.text
    for words in ("What this is", "keep to these rules. They are short.", "Be kind.", "when in doubt"):
        assert words in browser.text
    assert "&lt;script&gt;alert(" in browser.page.text
    assert "<script>alert(" not in browser.page.text
    assert "<h2>What this is</h2>" in browser.page.text
    browser.submit(button="accept")
    claims = browser.claims()
    assert (claims["amr"], claims["acr"]) == ("pwd", "aal1")
    assert accepted(world) == [("rules", 1)]
    (row,) = world.read(lambda user: _rows(user.id))
    with world.arranging():
        sign_in = session().get_one(SignIn, row.sign_in_id)
        assert (row.client_id, row.ip_address) == ("notes", sign_in.ip_address)
        assert sign_in.completed_at is not None
    assert events(world, "terms:accepted") == [{"terms": "rules", "version": 1}]
    assert again(browser).is_signed_in
    browser.start()
    assert browser.is_signed_in


def _rows(user_id: str) -> list[TermsAcceptance]:
    return session().query(TermsAcceptance).filter_by(user_id=user_id).all()


def test_whoever_declines_goes_back_with_access_denied(world: World) -> None:
    """C068: nothing is half done: no code, no acceptance, the request is used up; the next time asks again."""
    make_terms(world)
    browser = at_the_terms(world)
    page = browser.page.url
    browser.submit(button="decline")
    assert browser.step == "relying_party"
    assert not browser.is_signed_in
    assert "access_denied" in browser.page.url or "access_denied" in browser.text or "denied" in browser.text
    assert accepted(world) == []
    assert events(world, "terms:declined") == [{"terms": "rules", "version": 1}]
    assert browser.get(page).page.status_code == 400
    with world.arranging():
        assert session().query(SignIn).one().completed_at is None
    assert browser.start().step == "terms_of_use"


def test_a_new_version_asks_again_and_mended_words_do_not(world: World) -> None:
    """C068: unless whoever published it says that nobody has to."""
    make_terms(world)
    browser = at_the_terms(world).submit(button="accept")
    publish(world, "A comma, mended.", asks_again=False)
    assert again(browser).is_signed_in
    publish(world)
    assert again(browser).step == "terms_of_use"
    assert "The rules have changed." in browser.text
    assert "Version 3" in browser.text
    assert "You accepted version 1 on" in browser.text
    assert browser.submit(button="accept").is_signed_in
    assert accepted(world) == [("rules", 1), ("rules", 3)]


def test_an_acceptance_runs_out(world: World) -> None:
    """C068: every N days; also for those who accepted before that was said; each acceptance is a row."""
    make_terms(world, valid_days=30)
    browser = at_the_terms(world).submit(button="accept")
    world.clock.move(days=29)
    assert again(browser).is_signed_in
    world.clock.move(days=1, seconds=5)
    assert again(browser).step == "terms_of_use"
    assert "accepted again from time to time" in browser.text
    assert browser.submit(button="accept").is_signed_in
    assert accepted(world) == [("rules", 1), ("rules", 1)]
    assert world.cli("terms", "change", "rules", "--valid-days", "1").exit_code == 0
    world.clock.move(days=2)
    assert again(browser).step == "terms_of_use"
    assert world.cli("terms", "change", "rules", "--until-next-version").exit_code == 0
    assert again(browser).is_signed_in


def test_an_old_page_never_accepts_a_new_text(world: World) -> None:
    """C068: published while the page is open: the new text is shown, and only then can it be accepted."""
    make_terms(world)
    browser = at_the_terms(world)
    publish(world)
    browser.submit(button="accept")
    assert (browser.step, browser.page.status_code) == ("terms_of_use", 400)
    assert "changed while the page was open" in browser.text
    assert "The rules have changed." in browser.text
    assert accepted(world) == []
    browser.submit(button="accept")
    assert browser.is_signed_in
    assert accepted(world) == [("rules", 2)]


@pytest.mark.parametrize("version", ["2", "0", "-1", "1.0", " 1", "", "１", "9" * 400])
def test_a_version_that_was_not_shown_is_refused(world: World, version: str) -> None:
    """C068: made up in the browser."""
    make_terms(world)
    browser = at_the_terms(world)
    form = browser.form(button="accept")
    data = {**form["fields"], "answer": "accept"}
    url = urljoin(browser.page.url, form["action"].partition("?")[0] + "?" + urlencode({"version": version}))
    browser.page = browser.http.post(url, data=data, timeout=20, headers={"Origin": world.url})
    assert (browser.step, browser.page.status_code) == ("terms_of_use", 400)
    assert accepted(world) == []


def test_a_form_without_an_answer_or_a_token_does_nothing(world: World) -> None:
    """C068."""
    make_terms(world)
    browser = at_the_terms(world)
    form = browser.form(button="accept")
    url = urljoin(browser.page.url, form["action"])
    for data in (
        {**form["fields"], "answer": "perhaps"},
        form["fields"],
        {"answer": "accept"},
    ):
        browser.page = browser.http.post(url, data=data, timeout=20, headers={"Origin": world.url})
        assert (browser.step, browser.page.status_code) == ("terms_of_use", 400)
    assert accepted(world) == []


def test_the_page_cannot_be_skipped_and_the_back_button_is_harmless(world: World) -> None:
    """C068, F073: any other page leads back; what was sent once more changes nothing."""
    make_terms(world)
    browser = at_the_terms(world)
    page, pending = browser.page.url, browser.pending_id
    for path in (f"/authorize/{pending}", f"/interaction/{pending}/consent", f"/interaction/{pending}/mfa"):
        assert browser.get(path).step == "terms_of_use"
    form = browser.form(button="accept")
    data, url = {**form["fields"], "answer": "accept"}, urljoin(page, form["action"])
    browser.submit(button="accept")
    assert browser.is_signed_in
    assert browser.get(page).page.status_code == 400
    browser.page = browser.http.post(url, data=data, timeout=20, headers={"Origin": world.url})
    assert browser.page.status_code == 400
    assert accepted(world) == [("rules", 1)]


def test_two_tabs_are_one_acceptance(world: World) -> None:
    """C068: accepted in one, the other goes on."""
    make_terms(world)
    first = at_the_terms(world)
    second = first.tab().start()
    assert second.step == "terms_of_use"
    assert first.submit(button="accept").is_signed_in
    assert second.submit(button="accept").is_signed_in
    assert accepted(world) == [("rules", 1)]


def test_several_terms_are_asked_for_one_after_the_other(world: World) -> None:
    """C068: each in full; the form of one never accepts another."""
    make_terms(world)
    make_terms(world, "privacy", "What we keep of you.")
    both = POLICY.replace('["rules"]', '["rules", "privacy"]')
    browser = at_the_terms(world, both)
    assert browser.heading == "The privacy of the house"
    form = browser.form(button="accept")
    url = urljoin(browser.page.url, form["action"])
    browser.submit(button="accept")
    assert (browser.step, browser.heading) == ("terms_of_use", "The rules of the house")
    data = {**form["fields"], "answer": "accept"}
    browser.page = browser.http.post(url, data=data, timeout=20, headers={"Origin": world.url})
    assert browser.page.status_code == 400
    assert accepted(world) == [("privacy", 1)]
    assert browser.submit(button="accept").is_signed_in
    assert accepted(world) == [("privacy", 1), ("rules", 1)]


def test_after_what_proves_something_and_before_consent(world: World) -> None:
    """C068: MFA, terms; a risky sign-in that proved itself still accepts."""
    make_terms(world)
    world.make_user(authenticators=("totp",))
    world.list_address()
    strict = POLICY.replace(
        "then = {", 'when = { sign_in_risk = ["medium", "high"] }\nthen = { require = ["mfa"],'
    )
    world.apply(strict)
    browser = world.browser(TOR_ADDRESS, CHROME).start().sign_in()
    browser.acknowledge().prove()
    assert browser.step == "terms_of_use"
    browser.submit(button="accept")
    assert browser.claims()["amr"] == "pwd, otp, mfa"


def test_at_low_risk_it_is_the_lighter_step(make_world: Callable[..., World], tmp_path: Path) -> None:
    """C068: a person without a second factor gets this page alone; and the risk is what it was before."""
    (tmp_path / "threats.txt").write_text(f"{TOR_ADDRESS}\n")
    world = make_world(IDPROTECT_ADDRESS_LISTS={"threats": str(tmp_path / "threats.txt")})
    make_terms(world)
    world.make_user()
    world.apply(LOW_RISK, SIGN_IN_RISK_POLICY)
    assert world.browser().start().sign_in().is_signed_in, "no risk, no terms"
    browser = world.browser(TOR_ADDRESS).start().sign_in()
    assert browser.step == "terms_of_use"
    browser.submit(button="accept")
    assert browser.claims()["acr"] == "aal1"
    with world.arranging():
        risky = session().query(SignIn).filter_by(ip_address=TOR_ADDRESS).one()
        assert (risky.risk, risky.risk_state) == (RiskLevel.LOW, "at_risk")


def test_our_own_pages_ask_for_it_too(world: World) -> None:
    """C068: the account is an application; declining there ends at a page of ours."""
    make_terms(world)
    world.make_user()
    world.apply(POLICY)
    browser = world.browser().get("/account").sign_in()
    assert browser.step == "terms_of_use"
    browser.submit(button="decline")
    assert browser.heading == "Cancelled"
    assert browser.get("/account").step == "terms_of_use"
    browser.submit(button="accept")
    assert browser.path == "/account"
    assert "Terms you accepted" in browser.text
    browser.get(next(link for link in _links(browser) if "/account/terms/" in link))
    assert (browser.heading, browser.page.status_code) == ("The rules of the house", 200)
    assert "<h2>What this is</h2>" in browser.page.text
    publish(world, asks_again=False)
    for elsewhere in ("/account/terms/rules/2", "/account/terms/other/1", f"/account/terms/rules/{2**70}"):
        assert browser.get(elsewhere).page.status_code == 404


def _links(browser: Browser) -> list[str]:
    from tests.support.world import _Forms

    parser = _Forms()
    parser.feed(browser.page.text)
    return parser.links


def test_registration_comes_first(world: World) -> None:
    """C068: the order of product.md section 3."""
    make_terms(world)
    world.make_user()
    world.apply(REGISTRATION_POLICY, POLICY)
    browser = world.browser().start().sign_in()
    assert browser.step == "mfa_registration"
    browser.submit(action="do=skip")
    assert browser.step == "terms_of_use"
    assert browser.submit(button="accept").is_signed_in


def test_a_policy_needs_terms_that_exist_and_keeps_them(world: World) -> None:
    """C068: refused when it is written, also when an old version is put into force again."""
    make_terms(world)
    with pytest.raises(PolicyError, match="policy 'house-rules': no terms of use are called 'rulez'"):
        world.apply(POLICY.replace('["rules"]', '["rulez"]'))
    world.apply(POLICY.replace('"on"', '"off"'))
    refused = world.cli("terms", "delete", "rules", "--reason", "tidying up")
    assert (refused.exit_code, "asked for by house-rules" in refused.output) == (1, True)
    assert world.cli("terms", "show", "rules").exit_code == 0
    with world.arranging(), pytest.raises(InteractionError):
        from idprotect import terms

        try:
            terms.delete("rules", "test", "why")
        finally:
            session().rollback()
    world.apply("")
    assert world.cli("terms", "delete", "rules", "--reason", "tidying up").exit_code == 0
    assert world.cli("policy", "rollback", "--to", "1").exit_code == 1
    assert world.cli("terms", "delete", "rules", "--reason", "tidying up").exit_code == 1
    assert events(world, "terms:deleted") == [{"terms": "rules", "reason": "tidying up"}]


def test_on_trial_it_is_recorded_and_nobody_notices(world: World) -> None:
    """C068, F049: and a receipt gives the same answer when it is made again, before and after acceptance."""
    make_terms(world)
    world.make_user()
    world.apply(POLICY.replace('"on"', '"report_only"'))
    browser = world.browser().start().sign_in()
    assert browser.is_signed_in
    world.apply(POLICY)
    assert browser.start().step == "terms_of_use"
    browser.submit(button="accept")
    publish(world)
    assert browser.start().step == "terms_of_use"
    with world.arranging():
        receipts = session().query(Receipt).order_by(Receipt.id).all()
        said = [(row.results[0]["outcome"], row.outcome) for row in receipts if row.results]
        assert ("would_terms_required", "allowed") in said
        assert ("terms_required", "terms_required") in said
        assert ("allowed", "allowed") in said
        for row in receipts:
            assert gate.recompute(row).outcome == row.outcome
        last = receipts[-1].facts["accepted_terms"]
    assert [(found["name"], found["version"], found["required"]) for found in last] == [("rules", 1, 2)]
    report = world.cli("policy", "report", "--json")
    assert "house-rules" in report.output


def test_acceptances_go_with_their_person(world: World) -> None:
    """C068, D19: deleted with the user; an old address becomes its neighbourhood; the download has them."""
    make_terms(world)
    at_the_terms(world).submit(button="accept")
    at_the_terms(world, username="bob").submit(button="accept")
    world.clock.move(days=100)
    with world.arranging():
        assert retention.purge()["coarse_acceptances"] == 2
        assert retention.purge()["coarse_acceptances"] == 0
    ((address, at),) = world.read(lambda user: [(row.ip_address, row.at) for row in _rows(user.id)])
    assert address == "198.51.100.0"
    assert world.clock.now() - at > timedelta(days=99)
    assert world.cli("user", "delete", "ada", "--reason", "left").exit_code == 0
    with world.arranging():
        rows = session().query(TermsAcceptance).all()
        assert [row.user_id for row in rows] == [users.get("bob").id]
