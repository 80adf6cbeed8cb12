"""Section 11, 14: a server does not start with settings that are mistyped, unsafe, or readable by others."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idprotect import create_app
from idprotect.errors import ConfigurationError
from idprotect.keys import KeyRing
from idprotect.models import Authenticator, session
from idprotect.settings import FIELDS, Settings, describe, load
from tests.security.place import Place
from tests.support.world import MFA_POLICY

GOOD = {"IDPROTECT_ISSUER": "https://id.example"}


def loaded(environ: dict[str, str] | None = None, **config: Any) -> Settings:
    """Read settings from a configuration and an environment of the test's own."""
    return load({**GOOD, **{f"IDPROTECT_{key}": value for key, value in config.items()}}, environ or {})


# What is mistyped


@pytest.mark.parametrize(
    "key", ["IDPROTECT_SESION_IDLE", "IDPROTECT_", "IDPROTECT_session_idle", "IDPROTECT_ISSUER_"]
)
@pytest.mark.parametrize("where", ["config", "environment"])
def test_an_unknown_key_is_an_error_that_names_it(key: str, where: str) -> None:
    """Section 7 of product.md: a typing mistake is never a silent default."""
    with pytest.raises(ConfigurationError, match=f"unknown.*{key}"):
        load({**GOOD, key: "1"}, {}) if where == "config" else load(GOOD, {key: "1"})


def test_keys_of_others_are_none_of_our_business() -> None:
    """The application's own keys, and the environment's, are left alone."""
    assert (
        load({**GOOD, "SECRET_KEY": "x", "DEBUG": True}, {"PATH": "/bin", "IDPROTECTED": "1"}).session_idle
        == 3600
    )


WRONG: dict[str, tuple[object, ...]] = {
    "SESSION_IDLE": ("an hour", "", "1.5", "1h", -1, 0, "0", 1.5, None, True, [3600]),
    "DEVELOPMENT": ("maybe", "", 2, None, "on"),
    "CLIENT_DOCUMENT_HOSTS": (
        5,
        None,
        "https://agent.example",
        "agent.example/",
        "*.example",
        "a b",
        ".",
        "..",
    ),
    "TRUSTED_PROXIES": (5, None, {"a": "b"}, (1, 2), "10.0.0.1, localhost"),
    "ADDRESS_LISTS": ("just-a-path", 5, ["a=b"], None),
    "ISSUER": (
        5,
        None,
        "",
        "id.example",
        "https://id.example/",
        "https://id.example?x",
        "https://id.example#x",
    ),
    "INSTANCE_DIR": (5, None, ["x"]),
    "BRAND_ACCENT": ("red", "#12345", "#12345g", "#123456; } body { x", 5),
    "BRAND_NAME": (5, None),
    "SMS_GATEWAY_URL": (5, ["https://sms.example"]),
    "SMS_SENDER": ("carrier pigeon", "smtp", None),
    "MAIL_SENDER": ("http", ""),
    "SMTP_TLS": ("yes", "ssl"),
    "DETECTOR_FAILURE": ("ignore", "allow", ""),
    "PARALLEL_HASHES": (0, -2),
    "ONE_TIME_CODE_TRIES": (0,),
    "DETECTIONS": (5, None),
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_a_value_of_the_wrong_kind_is_an_error_that_names_the_key(name: str, value: object) -> None:
    """Section 7 of product.md: wrong types and impossible values stop the start."""
    with pytest.raises(ConfigurationError, match=f"IDPROTECT_{name}"):
        loaded(**{name: value})


def test_text_of_the_environment_becomes_what_it_means() -> None:
    """Every kind of setting can come from the environment, and the environment wins."""
    settings = loaded(
        {
            "IDPROTECT_SESSION_IDLE": "900",
            "IDPROTECT_DEVELOPMENT": "Yes",
            "IDPROTECT_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.1 ,",
            "IDPROTECT_ADDRESS_LISTS": "anonymous=/tor.txt, botnet=/bots=1.txt",
            "IDPROTECT_INSTANCE_DIR": "/somewhere",
            "IDPROTECT_SMS_COUNTRIES": "",
            "IDPROTECT_CONTACT": "extension 4711",
        },
        SESSION_IDLE=60,
    )
    assert settings.session_idle == 900
    assert settings.development is True
    assert settings.trusted_proxies == ("10.0.0.0/8", "192.0.2.1")
    assert settings.address_lists == {"anonymous": "/tor.txt", "botnet": "/bots=1.txt"}
    assert (settings.instance_dir, settings.sms_countries) == (Path("/somewhere"), ())


def test_every_setting_has_a_default_that_is_safe_for_production() -> None:
    """Section 14: the documented limits are the defaults; only the issuer has to be told."""
    settings = loaded()
    assert not settings.development
    assert settings.is_https
    assert "outbox" not in (settings.sms_sender, settings.mail_sender)
    assert settings.trusted_proxies == ()
    wanted = {
        "code_lifetime": 60,
        "access_token_lifetime": 600,
        "refresh_token_idle": 30 * 86400,
        "refresh_token_absolute": 90 * 86400,
        "session_idle": 3600,
        "session_absolute": 86400,
        "pending_lifetime": 900,
        "one_time_code_lifetime": 600,
        "one_time_code_tries": 5,
        "mfa_tries_per_hour": 10,
        "resend_wait": 30,
        "messages_per_user": 5,
        "messages_per_address": 20,
        "messages_per_prefix": 50,
        "free_password_tries": 5,
        "temporary_password_lifetime": 86400,
        "reauthentication": 300,
        "password_min_length": 15,
    }
    assert {name: getattr(settings, name) for name in wanted} == wanted
    assert len(describe()) == len(FIELDS)


# What is unsafe


@pytest.mark.parametrize(
    "issuer", ["http://id.example", "http://localhost:8000", "HTTP://id.example", "ftp://id.example"]
)
def test_an_issuer_without_tls_is_refused_in_production(issuer: str) -> None:
    """Section 11, start refused in production with http issuer (A 13.4.2)."""
    with pytest.raises(ConfigurationError, match="https"):
        loaded(ISSUER=issuer)
    if issuer.startswith("ftp"):
        with pytest.raises(ConfigurationError, match="https"):
            loaded(ISSUER=issuer, DEVELOPMENT=True)
    else:
        loaded(ISSUER=issuer, DEVELOPMENT=True)


@pytest.mark.parametrize("sender", ["SMS_SENDER", "MAIL_SENDER"])
def test_the_outbox_is_refused_in_production(sender: str) -> None:
    """Section 11, start refused in production with the test SMS sink (A 15.2.3): codes would lie on the disk."""
    with pytest.raises(ConfigurationError, match="outbox"):
        loaded(**{sender: "outbox"})
    assert loaded(**{sender: "outbox"}, DEVELOPMENT=True)


def test_production_shows_no_outbox(make_a_place: Callable[..., Place]) -> None:
    """Section 11: the page of the development server is not there."""
    production = {
        "IDPROTECT_DEVELOPMENT": False,
        "IDPROTECT_SMS_SENDER": "null",
        "IDPROTECT_MAIL_SENDER": "null",
    }
    assert make_a_place(**production).browser().get("/outbox").status == 404
    assert make_a_place().browser().get("/outbox").status == 200


def test_a_gateway_without_a_url_or_with_an_open_one_is_refused(tmp_path: Path) -> None:
    """Section 11: told at the start, not when the first code is sent."""
    with pytest.raises(ConfigurationError, match="SMS_GATEWAY_URL"):
        loaded(SMS_SENDER="http")
    production = {**GOOD, "IDPROTECT_INSTANCE_DIR": tmp_path, "IDPROTECT_SMS_SENDER": "http"}
    for url, token in (("http://sms.example/x", "tok-4711"), ("https://sms.example/x", "")):
        gateway = {"IDPROTECT_SMS_GATEWAY_URL": url, "IDPROTECT_SMS_GATEWAY_TOKEN": token}
        with pytest.raises(ConfigurationError) as refused:
            create_app({**production, **gateway})
        assert "tok-4711" not in str(refused.value)


# Secrets


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    """Section 7 of product.md: secrets from a ``…_FILE`` twin, without the line's end."""
    path = tmp_path / "secret"
    path.write_text("postgresql://idprotect:s3cret@db/idprotect\n")
    settings = loaded({"IDPROTECT_DATABASE_URL_FILE": str(path)})
    assert settings.database_url == "postgresql://idprotect:s3cret@db/idprotect"


@pytest.mark.parametrize(
    "key", ["IDPROTECT_ISSUER_FILE", "IDPROTECT_NOTHING_FILE", "IDPROTECT_SESSION_IDLE_FILE"]
)
def test_what_is_no_secret_has_no_file(tmp_path: Path, key: str) -> None:
    """Unknown keys are errors, of this kind too."""
    (tmp_path / "x").write_text("x")
    with pytest.raises(ConfigurationError, match=key):
        loaded({key: str(tmp_path / "x")})


def test_a_secret_file_that_is_not_there_is_an_error_that_names_the_key(tmp_path: Path) -> None:
    """Starting without the secret would be worse than not starting."""
    with pytest.raises(ConfigurationError, match="IDPROTECT_SMTP_PASSWORD_FILE"):
        loaded({"IDPROTECT_SMTP_PASSWORD_FILE": str(tmp_path / "missing")})


def test_check_does_not_show_secrets(make_a_place: Callable[..., Place], tmp_path: Path) -> None:
    """Section 10, secrets never displayed: the command that explains the settings hides them, plain and in JSON."""
    place = make_a_place(IDPROTECT_SMTP_PASSWORD="hunter2-and-more", IDPROTECT_SMS_GATEWAY_TOKEN="tok-4711")
    for arguments in (("check",), ("check", "--json")):
        output = place.cli(*arguments).output
        assert "IDPROTECT_SMTP_PASSWORD" in output
        assert "hunter2" not in output
        assert "tok-4711" not in output


# Keys


def test_keys_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """Section 11, keys outside the database, mode 0600 in a folder of mode 0700, 256 bits each."""
    before = os.umask(0)
    try:
        ring = KeyRing(tmp_path / "keys")
        _ = (ring.pepper, ring.app_secret, ring.keyed_hash("x"))
    finally:
        os.umask(before)
    names = {path.name for path in (tmp_path / "keys").iterdir()}
    assert names == {"pepper", "secret_key", "field_key", "signing"}
    for path in (tmp_path / "keys", tmp_path / "keys" / "signing"):
        assert path.stat().st_mode & 0o777 == 0o700
    values = set()
    for name in ("pepper", "secret_key", "field_key"):
        path = tmp_path / "keys" / name
        assert path.stat().st_mode & 0o777 == 0o600
        values.add(path.read_text())
        assert len(bytes.fromhex(path.read_text())) == 32
    assert len(values) == 3


@pytest.mark.parametrize("name", ["pepper", "field_key", "secret_key", "signing"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_stops_the_start(place: Place, name: str, mode: int) -> None:
    """Section 11, key files refused when looser than 0600: each of them, at the start and not at first use."""
    path = place.folder / "keys" / name
    path = next(path.iterdir()) if path.is_dir() else path
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=path.name):
        place.restarted()
    path.chmod(0o600)
    place.restarted()


def test_a_server_that_has_keys_makes_no_new_ones(place: Place) -> None:
    """Section 11: a restart keeps every key, or nobody could sign in any more."""
    folder = place.folder / "keys"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    place.restarted().browser().start()
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_what_is_wrong_with_a_key_is_told_to_the_log_and_not_to_the_visitor(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Section 11, generic errors with a reference (A 16.5.1): nobody is let in, and nothing of the server is told."""
    place.make_user(authenticators=("totp",))
    place.apply(MFA_POLICY)
    with place.arranging():
        session().query(Authenticator).one().secret = b"x" * 40
    visitor = place.browser().start().sign_in()
    visitor.submit({"code": "123456"})
    assert visitor.status == 500
    assert "field" not in visitor.text
    assert "field key" in caplog.text
    assert not visitor.is_signed_in
