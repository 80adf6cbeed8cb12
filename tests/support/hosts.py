"""Host applications: the examples, and others that a test writes itself, run with idprotect in them."""

import importlib.util
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from flask import Flask
from flask.sessions import SecureCookieSessionInterface

from idprotect.runtime import runtime

from . import PROJECT
from .live import serve_built
from .world import CHEAP, FIREFOX, HOME_ADDRESS, Browser, Clock, World, _add_relying_party

PREFIX = "/id"
Build = Callable[[Mapping[str, Any]], Flask]


class Host(World):
    """A host application with idprotect under :data:`PREFIX`; ``url`` is the issuer."""

    @property
    def site(self) -> str:
        """The host's own URL."""
        return self.url.removesuffix(PREFIX)

    def browser(self, address: str = HOME_ADDRESS, user_agent: str = FIREFOX) -> "HostBrowser":
        """Open a fresh browser."""
        return HostBrowser(self, address, user_agent)


class HostBrowser(Browser):
    """A browser that knows where the host's own pages are."""

    world: Host

    @property
    def path(self) -> str:
        """The path of the page; that of ours as in the stand-alone server."""
        path = super().path
        return path.removeprefix(PREFIX) if path.startswith(f"{PREFIX}/") else path

    def visit(self, path: str) -> Self:
        """Go to a page of the host."""
        self.get(self.world.site + path)
        return self

    def post(self, path: str, **data: str) -> Self:
        """Send a form to a page of the host, whatever page is open."""
        self.page = self.http.post(self.world.site + path, data=data, timeout=20)
        return self

    def is_at(self, path: str) -> bool:
        """Whether this page of the host is shown, with its query."""
        return self.page.ok and self.page.url == self.world.site + path

    def forget(self, cookie: str) -> None:
        """Lose a cookie."""
        for kept in [kept for kept in self.http.cookies if kept.name == cookie]:
            self.http.cookies.clear(kept.domain, kept.path, kept.name)

    def put_into_session(self, **values: Any) -> None:
        """Sign a session as the host would."""
        serializer = SecureCookieSessionInterface().get_signing_serializer(self.world.app)
        assert serializer is not None
        self.forget("session")
        self.http.cookies.set("session", str(serializer.dumps(values)), domain="localhost.local", path="/")


def load_example(name: str) -> ModuleType:
    """Import an example anew, with tables and extensions of its own."""
    module_name = f"example_{name}_{secrets.token_hex(4)}"
    found = importlib.util.spec_from_file_location(module_name, PROJECT / "examples" / name / "app.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module_name] = module
    found.loader.exec_module(module)
    return module


@contextmanager
def running_host(
    build: Build, folder: Path, keys: Path, moved: Clock, *, relying_party: bool = False, **config: Any
) -> Iterator[Host]:
    """Run a host application that ``build(config)`` makes."""
    instance = folder / "idprotect"
    if not instance.exists():
        shutil.copytree(keys, instance / "keys")
    anonymous = instance / "anonymous.txt"
    anonymous.write_text("192.0.2.255\n")
    with ExitStack() as stack:
        built: dict[str, Flask] = {}

        def at(url: str) -> Flask:
            settings: dict[str, Any] = {
                **CHEAP,
                "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder / 'host.sqlite'}",
                "IDPROTECT_ISSUER": url + PREFIX,
                "IDPROTECT_INSTANCE_DIR": instance,
                "IDPROTECT_ADDRESS_LISTS": {"anonymous": str(anonymous)},
                **config,
            }
            built["app"] = build(settings)
            return built["app"]

        url = stack.enter_context(serve_built(at, name="localhost"))
        host = Host(built["app"], url + PREFIX, moved, instance)
        if relying_party:
            _add_relying_party(host, stack)
        yield host
        with host.app.app_context():
            runtime().db.engine.dispose()
