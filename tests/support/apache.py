"""Debian's Apache with mod_auth_openidc, unmodified: one protected place on a loopback port, for whom it is told."""

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import unavailable

APACHE, MODULES = "/usr/sbin/apache2", Path("/usr/lib/apache2/modules")
LOADED = ("mpm_event", "authn_core", "authz_core", "authz_user", "headers", "auth_openidc")
READY_SECONDS = 15
#: Claims go out as headers, so that a test sees them; ``/oidc`` is the module's own place.
CONFIGURATION = """
ServerRoot {folder}
ServerName 127.0.0.1:{port}
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/log
LogLevel warn auth_openidc:info
DocumentRoot {folder}/pages
StartServers 1
{identity}
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {client_secret}
OIDCRedirectURI {url}/oidc
OIDCCryptoPassphrase not-a-secret-of-anybody
OIDCScope "openid profile email offline_access"
OIDCPKCEMethod S256
OIDCRemoteUserClaim sub
OIDCInfoHook access_token id_token userinfo
<Location />
    AuthType openid-connect
    Require valid-user
    Header set X-Sub %{{OIDC_CLAIM_sub}}e
    Header set X-Name %{{OIDC_CLAIM_name}}e
    Header set X-Acr %{{OIDC_CLAIM_acr}}e
</Location>
<Location /left>
    AuthType None
    Require all granted
</Location>
"""


@dataclass(frozen=True)
class Site:
    """A site that does not run yet: where it will be, and where its files are."""

    url: str
    folder: Path

    @property
    def redirect_uri(self) -> str:
        """The place of the module: codes, logout tokens, and what a page may ask of it."""
        return f"{self.url}/oidc"

    def log(self) -> str:
        """Return what Apache has written."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @contextmanager
    def running(self, issuer: str, client_id: str, client_secret: str) -> Iterator[None]:
        """Run it as an application of an issuer."""
        loaded = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in LOADED)
        # Apache does not serve pages as root.
        identity = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
        told = {"issuer": issuer, "client_id": client_id, "client_secret": client_secret, "url": self.url}
        port = self.url.rpartition(":")[2]
        configuration = CONFIGURATION.format(folder=self.folder, port=port, identity=identity, **told)
        (self.folder / "apache2.conf").write_text(f"{loaded}\n{configuration}")
        command = [APACHE, "-f", str(self.folder / "apache2.conf"), "-DFOREGROUND"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            self._wait(process)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=20)

    def _wait(self, process: "subprocess.Popen[str]") -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=2)
            try:
                connection.request("GET", "/left")
                connection.getresponse().read()
                return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        said = process.communicate()[1] if process.poll() is not None else ""
        raise RuntimeError(f"Apache is not ready: {said}{self.log()}")


@contextmanager
def apache() -> Iterator[Site]:
    """Yield a site with a port of its own."""
    if not Path(APACHE).exists() or not (MODULES / "mod_auth_openidc.so").exists():
        unavailable("no Apache with mod_auth_openidc")
    folder = Path(tempfile.mkdtemp(prefix="idprotect-apache-"))
    folder.chmod(0o755)  # its workers are another user's
    try:
        (folder / "pages").mkdir()
        (folder / "pages" / "index.html").write_text("<h1>Welcome</h1>")
        (folder / "pages" / "left").write_text("Good-bye")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        yield Site(f"http://127.0.0.1:{port}", folder)
    finally:
        shutil.rmtree(folder)
