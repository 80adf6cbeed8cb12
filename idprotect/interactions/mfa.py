"""The challenge: prove a second factor by any registered method."""

from collections.abc import Sequence

from idprotect import methods
from idprotect.conditional_access import Step, Strength
from idprotect.errors import InteractionError
from idprotect.forms import CodeForm, PageForm, PasskeyForm
from idprotect.interactions.base import Page, Visit
from idprotect.methods import METHODS, RECOVERY_CODE, challenges, passkey, recovery
from idprotect.methods.sms import resend_wait
from idprotect.models import Authenticator, session
from idprotect.protection import mitigate

STRONGER = "A code is not enough here: somebody could trick you out of it. Please use your passkey."


class Mfa:
    """Every registered method that is good enough is offered; numbers are masked."""

    step = Step.MFA

    def form(self, visit: Visit) -> PageForm:
        """A code, what the browser answers, or only a button that sends a code."""
        if visit.argument("do") == "send":
            return PageForm.for_page("send")  # type: ignore[no-any-return]
        return code_form(_chosen(visit, _good_enough(visit)), "mfa")

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Show the chosen method, or the best."""
        authenticators = _good_enough(visit)
        chosen = _chosen(visit, authenticators)
        asks_browser = chosen is not None and METHODS[chosen.method].asks_browser
        return Page(
            "interactions/mfa.html",
            {
                "methods": _choices(visit, authenticators, chosen),
                "method": _described(chosen),
                "sent": chosen is not None and challenges.waiting(chosen, visit.sign_in) is not None,
                "options": passkey.options_to_prove(chosen, visit.sign_in)
                if chosen and asks_browser
                else None,
                "form": form if isinstance(form, CodeForm) else code_form(chosen, "mfa").take_over(form),
                "action": visit.url(method=chosen.id if chosen else RECOVERY_CODE),
                "send_form": form if not isinstance(form, CodeForm) else PageForm.for_page("send"),
                "send_action": visit.url(method=chosen.id, do="send") if chosen else None,
                "resend_wait": resend_wait(chosen, visit.sign_in) if chosen else 0,
                "message": STRONGER if visit.verdict.decision.needs_strength else None,
            },
        )

    def submit(self, visit: Visit, form: PageForm) -> str | None:
        """Send a code, or take one; what it closes depends on why it was asked for."""
        chosen = _chosen(visit, _good_enough(visit))
        if not isinstance(form, CodeForm):
            if chosen is None:
                raise InteractionError("Please choose a way to confirm that it is you.")
            METHODS[chosen.method].send(chosen, visit.sign_in)
            return visit.url(method=chosen.id)
        if chosen is None:
            methods.prove_by_recovery_code(visit.user, visit.sign_in, form.code.data)
        else:
            methods.prove(visit.user, visit.sign_in, chosen, form.code.data)
        mitigate(visit.user, visit.sign_in, for_sign_in_risk=visit.verdict.decision.mfa_for_sign_in_risk)
        session().commit()
        return None


def code_form(authenticator: Authenticator | None, purpose: str) -> CodeForm:
    """Return the form that takes the answer of an authenticator; of a recovery code when it is None."""
    asks_browser = authenticator is not None and METHODS[authenticator.method].asks_browser
    return (PasskeyForm if asks_browser else CodeForm).for_page(purpose)  # type: ignore[no-any-return]


def _good_enough(visit: Visit) -> Sequence[Authenticator]:
    """Return the authenticators that help: where a policy asks for strength, others would be asked for in vain."""
    found = methods.registered(visit.user.id)
    if not visit.verdict.decision.needs_strength:
        return found
    return [a for a in found if a.method in Strength.PHISHING_RESISTANT.methods]


def _chosen(visit: Visit, authenticators: Sequence[Authenticator]) -> Authenticator | None:
    """Return the chosen authenticator; None means a recovery code."""
    wanted = visit.argument("method")
    if wanted == RECOVERY_CODE and not visit.verdict.decision.needs_strength:
        return None
    return next((a for a in authenticators if a.id == wanted), authenticators[0] if authenticators else None)


def _described(chosen: Authenticator | None) -> dict[str, object]:
    if chosen is None:
        return {"name": RECOVERY_CODE, "label": "Recovery code", "hint": "", "sends": False}
    method = METHODS[chosen.method]
    return {"name": method.name, "label": method.label, "hint": chosen.hint, "sends": method.sends}


def _choices(
    visit: Visit, authenticators: Sequence[Authenticator], chosen: Authenticator | None
) -> list[dict[str, object]]:
    choices = [
        {**_described(a), "selected": a is chosen, "url": visit.url(method=a.id)} for a in authenticators
    ]
    if not visit.verdict.decision.needs_strength and recovery.left(visit.user.id):
        choices.append(
            {**_described(None), "selected": chosen is None, "url": visit.url(method=RECOVERY_CODE)}
        )
    return choices
