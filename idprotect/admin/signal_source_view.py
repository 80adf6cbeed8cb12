"""Signal sources: who they are, what they told, and what administrators do about them."""

from typing import Any

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect.admin import door
from idprotect.admin.change_view import ChangeView, actor, here
from idprotect.admin.signal_source_form import ResumeForm, SignalSourceForm, UndoForm
from idprotect.admin.view import expose
from idprotect.errors import NotFound
from idprotect.event_types import short
from idprotect.forms import PageForm, ReasonForm
from idprotect.models import SignalSource
from idprotect.signal_sources import polling, receiving, sources, subjects, transmitter, undoing
from idprotect.triage import Actor

#: Of what a source told its page shows the last.
SHOWN = 50


class SignalSourcesView(ChangeView):
    """The list of sources, the page of one, and the forms that change one."""

    key = within = "signal_sources"

    @expose("/")
    def index(self) -> Response:
        """All sources, and how they stand."""
        rows = [
            {"source": source, "state": sources.state(source), "held": receiving.held_count(source)}
            for source in sources.every()
        ]
        return self.page("signal_sources.html", rows=rows)

    @expose("/<source_id>")
    def one(self, source_id: str) -> Response:
        """One source, and what it told last."""
        return self._one(_source(source_id))

    @expose("/new", methods=["GET", "POST"])
    def new(self) -> AnyResponse:
        """Listen to a source more."""
        form = SignalSourceForm.for_page("signal-source")

        def add(form: SignalSourceForm) -> AnyResponse:
            source, token = sources.add(
                form.wanted(), actor(), secret=form.secret.data or None, reason=form.text
            )
            return self._with_token(source, token)

        return self.change("signal_source_form.html", form, add, lambda: {"action": here(), "source": None})

    @expose("/<source_id>/change", methods=["GET", "POST"])
    def edit(self, source_id: str) -> AnyResponse:
        """Change a source."""
        source = _source(source_id)
        form = SignalSourceForm.for_page(f"signal-source:{source_id}")
        if request.method == "GET":
            form.fill(sources.of(source))

        def save(form: SignalSourceForm) -> AnyResponse:
            secret = form.secret.data or None
            token = sources.change(source, form.wanted(), actor(), secret=secret, reason=form.text)
            return self._with_token(source, token)

        shown = {"action": here(), "source": source}
        return self.change("signal_source_form.html", form, save, lambda: shown)

    @expose("/<source_id>/new-token", methods=["GET", "POST"])
    def new_token(self, source_id: str) -> AnyResponse:
        """Make a new token; sent twice, the page makes one."""
        source = _source(source_id)
        form = ReasonForm.for_page(f"signal-source-token:{source_id}:{source.token_hash}")

        def rotate(form: ReasonForm) -> AnyResponse:
            return self._with_token(source, sources.rotate_token(source, actor(), form.text))

        return self._act(source, form, rotate, "new_token")

    @expose("/<source_id>/pause", methods=["GET", "POST"])
    def pause(self, source_id: str) -> AnyResponse:
        """Let what it tells have no effect any more."""
        source = _source(source_id)
        form = ReasonForm.for_page(f"signal-source-pause:{source_id}")

        def pause(form: ReasonForm) -> AnyResponse:
            sources.pause(source, actor(), form.text)
            return _to(source)

        return self._act(source, form, pause, "pause", needs_fresh_factor=False)

    @expose("/<source_id>/resume", methods=["GET", "POST"])
    def resume(self, source_id: str) -> AnyResponse:
        """Listen to it again."""
        source = _source(source_id)
        form = ResumeForm.for_page(f"signal-source-resume:{source_id}")

        def resume(form: ResumeForm) -> AnyResponse:
            receiving.resume(source, actor(), form.text, release=form.held.data == "release")
            return _to(source)

        return self._act(source, form, resume, "resume", held=receiving.held_count(source))

    @expose("/<source_id>/undo", methods=["GET", "POST"])
    def undo(self, source_id: str) -> AnyResponse:
        """Take back what it raised."""
        source = _source(source_id)
        form = UndoForm.for_page(f"signal-source-undo:{source_id}")

        def undo(form: UndoForm) -> AnyResponse:
            done = undoing.undo(source, form.moment, Actor.of(door.person().user), form.text)
            left = " What was raised about yourself is for somebody else to close." if done.left else ""
            return self._one(source, f"{done.closed} detections were closed as false positives.{left}")

        return self._act(source, form, undo, "undo")

    @expose("/<source_id>/verify", methods=["GET", "POST"])
    def verify(self, source_id: str) -> AnyResponse:
        """Ask for a verification event, and how the stream stands."""
        source = _source(source_id)
        form = PageForm.for_page(f"signal-source-verify:{source_id}")

        def ask(_form: PageForm) -> AnyResponse:
            transmitter.ask_for_verification(source, actor())
            transmitter.status_of(source)
            if source.is_polled:
                polling.poll(source)
            return _to(source)

        return self._act(source, form, ask, "verify")

    @expose("/<source_id>/subscribe", methods=["GET", "POST"])
    def subscribe(self, source_id: str) -> AnyResponse:
        """Make our stream at the transmitter."""
        source = _source(source_id)
        form = PageForm.for_page(f"signal-source-subscribe:{source_id}")

        def subscribe(_form: PageForm) -> AnyResponse:
            transmitter.subscribe(source, actor())
            return _to(source)

        return self._act(source, form, subscribe, "subscribe")

    @expose("/<source_id>/remove", methods=["GET", "POST"])
    def remove(self, source_id: str) -> AnyResponse:
        """Listen to it no more, and forget what it told."""
        source = _source(source_id)
        form = ReasonForm.for_page(f"signal-source-remove:{source_id}")

        def remove(form: ReasonForm) -> None:
            sources.remove(source, actor(), form.text)

        return self._act(source, form, remove, "remove")

    def _act(self, source: SignalSource, form: Any, carry_out: Any, act: str, **options: Any) -> AnyResponse:
        """Say what an act does, and do it."""
        needs_fresh_factor = options.pop("needs_fresh_factor", True)
        shown = {"source": source, "act": act, "action": here(), "one_url": _url(source), **options}
        return self.change(
            "signal_source_act.html",
            form,
            carry_out,
            lambda: shown,
            needs_fresh_factor=needs_fresh_factor,
        )

    def _one(self, source: SignalSource, message: str = "") -> Response:
        return self.page(
            "signal_source.html",
            source=source,
            state=sources.state(source),
            push_url=sources.push_url(source),
            events=[short(event) for event in source.events],
            subjects=[subjects.KINDS[name] for name in source.subjects],
            held=receiving.held_count(source),
            counts=receiving.counts(source),
            mapped=sources.mapped_count(source),
            received=receiving.newest(source, SHOWN),
            short=short,
            message=message,
        )

    def _with_token(self, source: SignalSource, token: str | None) -> AnyResponse:
        """Show the only page that ever has the token; no browser keeps it."""
        if token is None:
            return _to(source)
        return self.page(
            "signal_source_token.html",
            source=source,
            token=token,
            push_url=sources.push_url(source),
            one_url=_url(source),
        )


def _source(source_id: str) -> SignalSource:
    """Return the source that the address names."""
    try:
        return sources.get(source_id) if source_id.isalnum() else abort(404)
    except NotFound:
        abort(404)


def _to(source: SignalSource) -> AnyResponse:
    return redirect(_url(source), 303)


def _url(source: SignalSource) -> str:
    return url_for("idprotect_admin_signal_sources.one", source_id=source.id)
