"""The suite's process, which is not built here, and the proxy that it is meant to stand behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.processes import Child, free_port
from conformance.certificate import Certificate
from conformance.suite import Suite

START_SECONDS = 300
#: The suite learns from its proxy how it is talked to, and has conditions about that.
PROXY = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;
events {{ }}
http {{
  access_log off; proxy_read_timeout 120s; client_max_body_size 20m;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  ssl_certificate {tls.certificate}; ssl_certificate_key {tls.key}; ssl_protocols TLSv1.2 TLSv1.3;
  server {{
    listen 127.0.0.1:{port} ssl;
    client_header_buffer_size 32k; large_client_header_buffers 4 32k;
    location / {{
      proxy_pass http://127.0.0.1:{inner_port};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Port {port};
      proxy_set_header X-Ssl-Cipher $ssl_cipher;
      proxy_set_header X-Ssl-Protocol $ssl_protocol;
    }}
  }}
}}
"""


@contextmanager
def running(java: str, jar: Path, mongodb: str, tls: Certificate, folder: Path) -> Iterator[Suite]:
    """Run a suite that was built before: in its development mode, so on loopback alone."""
    port, inner_port = free_port(), free_port()
    url = f"https://localhost:{port}"
    options = {
        "spring.profiles.active": "dev",
        "spring.mongodb.uri": mongodb,
        "spring.devtools.livereload.enabled": "false",
        "openid.mongodb.targetFeatureCompatibilityVersion": "",
        "fintechlabs.base_url": url,
        "fintechlabs.base_mtls_url": url,
        "server.address": "127.0.0.1",
        "server.port": str(inner_port),
    }
    arguments = [java, "-jar", str(jar), *(f"--{name}={value}" for name, value in options.items())]
    proxy = folder / "nginx.conf"
    proxy.write_text(PROXY.format(folder=folder, tls=tls, port=port, inner_port=inner_port))
    suite = Suite(url, tls, folder)
    with ExitStack() as started:
        started.enter_context(Child(["nginx", "-c", str(proxy)], folder / "nginx.log"))
        server = started.enter_context(Child(arguments, folder / "suite.log", directory=folder))
        server.wait_until(suite.answers, START_SECONDS)
        yield suite
