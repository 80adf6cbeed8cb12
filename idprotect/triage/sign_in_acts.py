"""Acts about one sign-in."""

from collections.abc import Collection

from idprotect import gate, passes, protection, sessions
from idprotect.errors import InteractionError
from idprotect.models import SignIn
from idprotect.triage.act import Act, Option, Target
from idprotect.triage.user_acts import END_SESSIONS, SAME_PASSWORD, SAME_SESSIONS


def _compromised(target: Target, by: str, reason: str, ticked: Collection[str]) -> None:
    protection.confirm_sign_in_compromised(
        target.known_user, _sign_in(target), by, reason, end_sessions=END_SESSIONS in ticked
    )


def _safe(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    protection.confirm_sign_in_safe(target.known_user, _sign_in(target), by, reason)


def _dismiss(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    protection.dismiss_sign_in(target.known_user, _sign_in(target), by, reason)


def _end(target: Target, _by: str, _reason: str, _ticked: Collection[str]) -> None:
    sessions.end(_sign_in(target), "revoked")


def _pass(target: Target, by: str, reason: str, _ticked: Collection[str]) -> None:
    passes.issue(_sign_in(target), by, reason)


def _sign_in(target: Target) -> SignIn:
    if target.sign_in is None:
        raise InteractionError("The sign-in does not exist.")
    return target.sign_in


def _wrong_password(target: Target) -> str | None:
    return None if _sign_in(target).succeeded else "The password was wrong: nothing came of this sign-in."


def _no_risk(target: Target) -> str | None:
    return None if _sign_in(target).aggregated_level else "No risk of it is open."


def _is_over(target: Target) -> str | None:
    return "It has ended already." if _sign_in(target).ended_at else None


def _has_pass(target: Target) -> str | None:
    until = _sign_in(target).pass_expires_at
    return f"It has a pass, until {until:%H:%M} UTC." if until and passes.is_open(_sign_in(target)) else None


def _no_pass(target: Target) -> str | None:
    sign_in = _sign_in(target)
    if (why := _wrong_password(target) or _is_over(target)) is not None:
        return why
    if target.user is None or not gate.would_pass_open(sign_in, target.user):
        return (
            "A pass opens only what the risk of this one sign-in closed. Nothing stops it, or something else does: "
            "a switched-off account, the risk of the account, another policy."
        )
    return None


SIGN_IN_ACTS = (
    Act(
        "short_pass",
        "sign_in",
        "Short pass",
        "Give a short pass to this sign-in: {}",
        (
            "Lets this sign-in, in the browser that it began in, go on within 15 minutes; once.",
            "A second factor is asked for instead; whoever has none sets one up there and then.",
        ),
        (
            SAME_PASSWORD,
            "Nothing else that stops it is opened: a switched-off account, the risk of the account, another policy.",
            "Other sign-ins of this person are judged as ever.",
        ),
        _pass,
        options=(
            Option(
                "called_back",
                "I called back on a number that we had before, or see the person",
                required=True,
            ),
            Option(
                "told_reference",
                "They read me the reference number from the page, and its time",
                required=True,
            ),
            Option("expected", "They say where they are and on what, and why this is unusual", required=True),
        ),
        already=_has_pass,
        why_not=_no_pass,
    ),
    Act(
        "sign_in_compromised",
        "sign_in",
        "Confirm compromised",
        "Confirm that this was not the owner: {}",
        (
            "Says that the sign-in was not by its owner: its risk and the user's become high.",
            "Nothing is learnt from what came since.",
        ),
        (SAME_PASSWORD, "The person is not blocked from signing in."),
        _compromised,
        gives_access=False,
        options=(Option(END_SESSIONS, "End all sessions and tokens of this person", True),),
        why_not=_wrong_password,
    ),
    Act(
        "sign_in_safe",
        "sign_in",
        "Confirm safe",
        "Confirm that this was the owner: {}",
        (
            "Says that the sign-in was by its owner: its risk becomes none, its share of the user's risk goes.",
            "Its place and device are learnt as this person's.",
        ),
        (SAME_PASSWORD, SAME_SESSIONS, "Detections about other sign-ins stay open."),
        _safe,
        why_not=_wrong_password,
    ),
    Act(
        "dismiss_sign_in",
        "sign_in",
        "Dismiss risk",
        "Dismiss the risk of this sign-in: {}",
        ("Says that its risk was void: its detections are closed as dismissed.",),
        (SAME_PASSWORD, SAME_SESSIONS, "Nothing is learnt from it."),
        _dismiss,
        already=_no_risk,
        why_not=_wrong_password,
    ),
    Act(
        "end_session",
        "sign_in",
        "End session",
        "End this session: {}",
        ("Ends the session and the tokens that came of it.",),
        (SAME_PASSWORD, "Other sessions of this person go on.", "Risk stays as it is."),
        _end,
        gives_access=False,
        already=_is_over,
        why_not=_wrong_password,
    ),
)
