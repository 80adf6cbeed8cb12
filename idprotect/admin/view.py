"""What every view of the console is made of: its door, its headers, its menu, and how it is shown."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import flask_admin
from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Response as AnyResponse

from idprotect import pages
from idprotect.admin import door
from idprotect.forms import PageForm

View = TypeVar("View", bound=Callable[..., Any])


def expose(url: str, methods: Sequence[str] = ("GET",)) -> Callable[[View], View]:
    """Make a function a page; Flask-Admin's own, with its types."""
    return flask_admin.expose(url, methods)  # type: ignore[no-any-return]


class ConsoleView(flask_admin.BaseView):  # type: ignore[misc]
    """One part of the console. ``key`` is its name in the matrix of roles and in its endpoints."""

    key = ""

    def __init__(self, name: str, category: str | None = None, url: str | None = None) -> None:
        endpoint = "idprotect_admin" if self.key == "overview" else f"idprotect_admin_{self.key}"
        path = url if url is not None else self.key.replace("_", "-")
        super().__init__(name, category, endpoint=endpoint, url=path)

    def create_blueprint(self, admin: Any) -> Blueprint:
        """Make the blueprint, with the headers and error pages that all answers of ours have."""
        blueprint: Blueprint = super().create_blueprint(admin)
        pages.attach(blueprint)
        blueprint.before_request(_refuse_foreign_post)
        blueprint.register_error_handler(HTTPException, pages.http_error)
        blueprint.register_error_handler(NotFound, self._not_found)
        return blueprint

    def is_accessible(self) -> bool:
        """Whether the menu has this view for whoever is here."""
        return door.may(f"{self.key}.index")

    def _handle_view(self, name: str, /, **_: Any) -> Any:
        return door.enter(f"{self.key}.{name}")

    def _run_view(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Flask-Admin's own calls again with other arguments after any TypeError, and hides what was wrong.
        return function(self, *args, **kwargs)

    def _not_found(self, error: NotFound) -> AnyResponse:
        """Say so within the console to whoever may be there; to others it is as anywhere else."""
        if not door.may("overview.index"):
            return pages.http_error(error)
        response = self.page("not_found.html")
        response.status_code = 404
        return response

    def page(self, template: str, /, *, within: str = "", **variables: Any) -> Response:
        """Show a page of the console.

        :param within: key of the view that the menu shows one to be in, when it is not this one.
        """
        return pages.render(
            f"admin/{template}",
            menu=_menu(self.admin, within or self.key),
            person=door.person().user,
            may=door.may,
            form=variables.pop("form", None) or PageForm.for_page("console"),
            **variables,
        )


def _refuse_foreign_post() -> Response | None:
    is_foreign = request.method == "POST" and pages.is_foreign_post()
    return pages.refuse_foreign_post() if is_foreign else None


def _menu(console: flask_admin.Admin, current: str) -> list[dict[str, Any]]:
    """Return the groups of the menu with the links that whoever is here may follow."""
    groups: list[dict[str, Any]] = []
    for item in console.menu():
        is_group = item.is_category()
        children = item.get_children() if is_group else [item]
        links = [
            {"name": child.name, "url": child.get_url(), "current": child._view.key == current}
            for child in children
            if child.is_accessible() and child.is_visible()
        ]
        if links:
            groups.append({"name": item.name if is_group else None, "links": links})
    return groups
