"""Setting up a second factor, or putting it off while the grace period lasts."""

from typing import Any

import segno
from markupsafe import Markup
from sqlalchemy import update

from idprotect import audit, clock, methods
from idprotect.audit import Event
from idprotect.conditional_access import Step
from idprotect.errors import InteractionError
from idprotect.forms import CodeForm, PageForm, PhoneForm
from idprotect.interactions.base import Page, Visit
from idprotect.interactions.mfa import code_form
from idprotect.methods import METHODS, challenges, passkey
from idprotect.methods.base import secret_of
from idprotect.methods.sms import resend_wait
from idprotect.methods.totp import provisioning_uri
from idprotect.models import Authenticator, SignIn, User, rows_changed, session
from idprotect.protection import mitigate


class MfaRegistration:
    """Choose a method, prove it, keep the recovery codes."""

    step = Step.MFA_REGISTRATION

    def form(self, visit: Visit) -> PageForm:
        """The form of the state the registration is in."""
        if visit.argument("do") in ("skip", "send"):
            return PageForm.for_page(visit.argument("do"))  # type: ignore[no-any-return]
        return registration_form(
            visit.user, visit.sign_in, visit.argument("method"), visit.argument("phone") == "new"
        )

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Offer the methods with the days that are left, or go on with the one that was chosen."""
        _note_prompt(visit.user)
        page = registration_page(
            visit.user,
            visit.sign_in,
            form,
            visit.argument("method"),
            visit.url,
            visit.argument("phone") == "new",
        )
        if page is not None:
            return page
        days_left = visit.verdict.decision.skip_days_left
        return Page(
            "interactions/mfa_registration.html",
            {
                "days_left": days_left,
                "can_skip": days_left is not None,
                "risky": visit.verdict.facts.is_risky,
                "choices": choices(),
                "form": PageForm.for_page(),
                "action": visit.url(),
                "skip_form": PageForm.for_page("skip"),
                "skip_action": visit.url(do="skip"),
            },
        )

    def submit(self, visit: Visit, form: Any) -> Page | str | None:
        """Begin, prove or put off."""
        if visit.argument("do") == "skip":
            _skip(visit)
            return None
        return submit_registration(
            visit.user,
            visit.sign_in,
            form,
            visit.argument("method"),
            visit.url,
            visit.resume_url(),
            at_risk=visit.verdict.facts.is_risky,
            vouched_for=visit.verdict.facts.vouched_for,
            send=visit.argument("do") == "send",
        )


def choices() -> list[dict[str, object]]:
    """Return the methods that can be set up; the best is recommended."""
    offered = methods.offered()
    best = next((m for m in offered if m.recommended), None)
    return [
        {"name": m.name, "label": m.label, "description": m.description, "recommended": m is best}
        for m in offered
    ]


def registration_form(user: User, sign_in: SignIn, method: str, new_phone: bool) -> PageForm:
    """Return a choice of methods, a telephone number, or the code that proves what was begun."""
    begun = methods.unconfirmed(user, sign_in, method) if method in METHODS else None
    if begun is not None and not new_phone:
        return code_form(begun, f"register-{begun.id}")
    if method == "sms":
        return PhoneForm.for_page("register")  # type: ignore[no-any-return]
    return PageForm.for_page()  # type: ignore[no-any-return]


def registration_page(
    user: User, sign_in: SignIn, form: PageForm, method: str, url: Any, new_phone: bool
) -> Page | None:
    """Return the page on which the chosen method is proved; None while none is chosen."""
    begun = methods.unconfirmed(user, sign_in, method) if method in METHODS else None
    if method == "sms":
        is_code = isinstance(form, CodeForm) or (begun is not None and not new_phone)
        return _sms_page(begun, sign_in, form, url) if is_code and begun else _phone_page(form, url)
    if method == "totp" and begun is not None:
        return _totp_page(begun, user, form, url)
    if method == "passkey" and begun is not None:
        return _passkey_page(begun, user, sign_in, form, url)
    return None


def submit_registration(
    user: User,
    sign_in: SignIn,
    form: Any,
    method: str,
    url: Any,
    continue_url: str,
    *,
    at_risk: bool,
    vouched_for: bool = False,
    send: bool = False,
) -> Page | str | None:
    """Begin a registration, or prove it by a code. A proved one is shown its recovery codes, once.

    :param vouched_for: the help desk checked who this is: the new factor is as good as one that was there before.
    """
    begun = methods.unconfirmed(user, sign_in, method) if method in METHODS else None
    if send:
        if begun is None:
            raise InteractionError("Please choose a way to confirm that it is you.")
        METHODS[method].send(begun, sign_in)
        return str(url(method=method))
    if isinstance(form, CodeForm) and begun is not None:
        codes = methods.confirm_registration(user, sign_in, begun, form.code.data, at_risk=at_risk)
        if vouched_for:
            mitigate(user, sign_in, for_sign_in_risk=True)
        session().commit()
        variables = {"codes": codes, "continue_url": continue_url}
        return Page("interactions/recovery_codes.html", variables) if codes else None
    return _begin(user, sign_in, form, url)


def _begin(user: User, sign_in: SignIn, form: Any, url: Any) -> str:
    if isinstance(form, PhoneForm):
        authenticator = methods.start_registration(user, sign_in, "sms", form.phone.data)
        METHODS["sms"].send(authenticator, sign_in)
        return str(url(method="sms"))
    from flask import request

    chosen = request.form.get("method", "")
    if chosen not in (method.name for method in methods.offered()):
        raise InteractionError("Please choose a way to confirm that it is you.")
    if chosen == "sms":
        return str(url(method=chosen, phone="new"))
    methods.start_registration(user, sign_in, chosen)
    return str(url(method=chosen))


def _skip(visit: Visit) -> None:
    """Put registration off for this sign-in, if there are days left now; one write, so one skip."""
    if visit.verdict.decision.skip_days_left is None:
        raise InteractionError("This can no longer be put off.")
    statement = (
        update(SignIn)
        .where(SignIn.id == visit.sign_in.id, SignIn.registration_skipped_at.is_(None))
        .values(registration_skipped_at=clock.now())
    )
    if rows_changed(statement) == 1:
        audit.record(
            Event.REGISTRATION_SKIPPED,
            actor=visit.user.username,
            user_id=visit.user.id,
            sign_in_id=visit.sign_in.id,
            days_left=visit.verdict.decision.skip_days_left,
        )
    session().commit()


def _note_prompt(user: User) -> None:
    """Keep when this user was first asked; the grace period counts from here and never starts anew."""
    statement = (
        update(User)
        .where(User.id == user.id, User.registration_prompted_at.is_(None))
        .values(registration_prompted_at=clock.now())
    )
    if rows_changed(statement) == 1:
        session().commit()


def _totp_page(begun: Authenticator, user: User, form: PageForm, url: Any) -> Page:
    uri = provisioning_uri(begun, user.username)
    image = segno.make(uri, error="m").svg_inline(
        scale=5, border=2, svgclass="qr", lineclass=None, omitsize=True
    )
    secret = secret_of(begun)
    return Page(
        "interactions/register_totp.html",
        {
            "otpauth_uri": uri,
            "qr_svg": Markup(image),  # noqa: S704 (made by segno from our own URI; holds no text)
            "manual_key": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
            "account_label": user.username,
            "form": form,
            "action": url(method="totp"),
            "back_url": url(),
        },
    )


def _passkey_page(begun: Authenticator, user: User, sign_in: SignIn, form: PageForm, url: Any) -> Page:
    return Page(
        "interactions/register_passkey.html",
        {
            "options": passkey.options_to_register(begun, user, sign_in),
            "form": form,
            "action": url(method="passkey"),
            "back_url": url(),
        },
    )


def _phone_page(form: PageForm, url: Any) -> Page:
    return Page(
        "interactions/register_sms.html",
        {"sent": False, "form": form, "action": url(method="sms", phone="new"), "back_url": url()},
    )


def _sms_page(begun: Authenticator, sign_in: SignIn, form: PageForm, url: Any) -> Page:
    is_code = isinstance(form, CodeForm)
    return Page(
        "interactions/register_sms.html",
        {
            "sent": True,
            "masked": begun.hint,
            "form": form if is_code else CodeForm.for_page(f"register-{begun.id}").take_over(form),
            "action": url(method="sms"),
            "send_form": PageForm.for_page("send") if is_code else form,
            "send_action": url(method="sms", do="send"),
            "resend_wait": resend_wait(begun, sign_in) if challenges.waiting(begun, sign_in) else 0,
            "back_url": url(method="sms", phone="new"),
        },
    )
