"""Every setting: name, type, default and meaning; read from Flask's config or from the environment.

A field ``session_idle`` is the key ``IDPROTECT_SESSION_IDLE``. Each can come from the environment, a secret also
from the file that ``IDPROTECT_…_FILE`` names. Unknown keys are errors, so a typing mistake is never a silent default.
"""

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from idprotect.errors import ConfigurationError
from idprotect.intelligence import sources
from idprotect.keys import ALGORITHMS
from idprotect.risk import Detector
from idprotect.risk.detections import DETECTIONS, SESSION_DETECTIONS

PREFIX = "IDPROTECT_"
MINUTE, HOUR, DAY = 60, 3600, 86400
MAY_BE_ZERO = frozenset({"resend_wait", "smtp_port", "alert_window", "alert_repeat"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one server. Durations are seconds."""

    #: Where this server is reached, exactly as clients know it; all URLs are built from it, never from ``Host``.
    issuer: str = "http://localhost:8000"
    #: Allows http, the outbox senders and the outbox page. Never on in production.
    development: bool = False
    #: Folder for keys, the SQLite database, data files and the outbox.
    instance_dir: Path = Path("instance")
    #: SQLAlchemy URL; SQLite in ``instance_dir`` when empty. ``postgresql+psycopg://…`` for more than one machine.
    database_url: str = field(default="", metadata={"secret": True})
    #: Networks of reverse proxies whose ``X-Forwarded-For`` is believed.
    trusted_proxies: Sequence[str] = ()

    #: Shown on every page.
    brand_name: str = "idprotect"
    brand_logo_url: str | None = None
    brand_accent: str = "#3b5bdb"
    #: How to reach the administrator, shown where only an administrator can help.
    contact: str | None = None

    session_idle: int = HOUR
    session_absolute: int = DAY
    pending_lifetime: int = 15 * MINUTE
    code_lifetime: int = MINUTE
    access_token_lifetime: int = 10 * MINUTE
    refresh_token_idle: int = 30 * DAY
    refresh_token_absolute: int = 90 * DAY
    #: A factor may be added or removed, and access given in the console, only this long after proving who one is.
    reauthentication: int = 5 * MINUTE
    temporary_password_lifetime: int = DAY
    one_time_code_lifetime: int = 10 * MINUTE
    one_time_code_tries: int = 5
    #: Second-factor tries an account has in an hour, over all sessions.
    mfa_tries_per_hour: int = 10
    #: Seconds between two text messages to one person, and messages an hour by user, address and number prefix.
    resend_wait: int = 30
    messages_per_user: int = 5
    messages_per_address: int = 20
    messages_per_prefix: int = 50
    #: From this many consecutive failures on, each further try at a password has to wait, longer each time.
    free_password_tries: int = 5
    #: Failed passwords in 15 minutes from one address (an IPv6 /64) before it has to wait.
    password_failures_per_address: int = 50
    #: Failed passwords in 15 minutes, of all accounts and addresses, before browsers that are not familiar wait.
    password_failures_in_all: int = 2000
    #: Wrong client secrets in 15 minutes before it has to wait: of one client from one address, of one address.
    client_secret_failures: int = 10
    client_secret_failures_per_address: int = 50
    #: What a public client may have kept in 15 minutes, from one address: codes for devices, and pushed requests.
    public_client_requests: int = 300

    password_min_length: int = 15
    argon2_time_cost: int = 2
    argon2_memory_kib: int = 19 * 1024
    argon2_parallelism: int = 1
    #: Of ID tokens: ``RS256`` (RSA, 3072 bits), which every client knows, ``PS256``; ``ES256``, ``EdDSA`` (Ed25519),
    #: which are far cheaper to sign.
    signing_algorithm: Literal["RS256", "PS256", "ES256", "EdDSA"] = "RS256"
    #: How many passwords are hashed at once in one process.
    parallel_hashes: int = 2

    #: Where addresses are, and whose they are: files in MaxMind's format, like GeoLite2-City and GeoLite2-ASN.
    city_database: str | None = None
    asn_database: str | None = None
    #: Lists of addresses, networks and AS numbers: ``tor=/path/exits.txt@anonymous,botnet=/path/bots.txt@medium``.
    #: After the @ stands what a listing means: ``anonymous``, ``hosting``, ``mobile``, or its level for ``listed_ip``.
    #: Without @, a list of one of these three names means that, any other is a ``low`` one.
    address_lists: Mapping[str, str] = field(default_factory=dict)
    #: Folder of range files, or one sorted ``SHA1:count`` file.
    breached_passwords: str | None = None
    #: Data older than this count as stale; 0: never. From stale places, systems and lists nothing is concluded;
    #: breached passwords stay breached, and their age is only reported.
    city_database_max_age: int = 0
    asn_database_max_age: int = 0
    address_list_max_age: int = 0
    breached_passwords_max_age: int = 0
    #: Detectors asked at each sign-in; a host application adds its own.
    detections: Sequence[Detector] = DETECTIONS
    #: For how many days ``purge`` keeps sign-ins, closed detections and the history of risk; receipts; the audit log;
    #: whole addresses and what browsers called themselves, in sign-ins (a part goes on to be known); what is habitual
    #: for somebody who does not come any more.
    keep_sign_ins_days: int = 365
    keep_receipts_days: int = 365
    keep_audit_days: int = 365
    keep_addresses_days: int = 90
    keep_profiles_days: int = 180
    #: A client that is known by its document is forgotten so many days after it was last seen.
    keep_document_clients_days: int = 90
    #: What others were told, and mails to administrators.
    keep_deliveries_days: int = 30
    #: A user is being learnt for so many days and sign-ins, and anew after so many days without any.
    learning_days: int = 5
    learning_sign_ins: int = 3
    learning_inactive_days: int = 60
    #: An application that acts for itself is being learnt for so many days and grants from networks that can be told.
    client_learning_days: int = 5
    client_learning_grants: int = 5
    #: Refuse tokens to an application that acts for itself, and those it has, while it is at risk.
    block_risky_clients: bool = False
    #: Detections that are switched off, by name.
    detections_off: Sequence[str] = ()
    #: Other thresholds: ``impossible_travel.fastest_kmh=800,suspicious_ip.accounts=5``; see ``docs/risk.md``.
    detection_thresholds: Mapping[str, str] = field(default_factory=dict)
    #: Detectors asked when a session turns up in another network or browser.
    session_detections: Sequence[Detector] = SESSION_DETECTIONS
    #: For how long an administrator can undo a dismissal.
    undo_window: int = DAY
    #: What a detector that raises means: ``refuse`` the sign-in, or count it as ``high_risk``.
    detector_failure: str = "refuse"

    #: ``outbox`` (development), ``http`` or ``null``.
    sms_sender: str = "null"
    sms_gateway_url: str | None = None
    sms_gateway_token: str | None = field(default=None, metadata={"secret": True})
    #: Region in which a number without country code is read, and the regions that may be sent to (empty: all).
    sms_region: str | None = None
    sms_countries: Sequence[str] = ()
    #: ``outbox`` (development), ``smtp`` or ``null``.
    mail_sender: str = "null"
    mail_from: str = "idprotect@localhost"
    smtp_host: str = "localhost"
    #: 0: the usual port of the kind of connection.
    smtp_port: int = 0
    smtp_username: str | None = None
    smtp_password: str | None = field(default=None, metadata={"secret": True})
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"

    #: Let whoever has an initial access token (``initial-access create``) register an application (RFC 7591).
    dynamic_registration: bool = False
    #: Take the URL of a metadata document as a client id (draft-ietf-oauth-client-id-metadata-document): from these
    #: hosts, or from any when there are none. ``.example.org`` stands for all hosts below.
    client_id_metadata_documents: bool = False
    client_document_hosts: Sequence[str] = ()
    #: Resource servers (RFC 8707) that every such client may name.
    client_document_resources: Sequence[str] = ()
    #: Documents of unknown clients that are asked for in 15 minutes because of one address (an IPv6 /64).
    client_documents_per_address: int = 30
    #: Whoever sends this as a bearer token reads ``/metrics``; empty: there is no such page.
    metrics_token: str = field(default="", metadata={"secret": True})
    #: Send logout tokens, webhooks, alerts and digests from the server's own processes; else ``deliver`` has to run.
    deliver: bool = True
    #: Administrators get a mail about whoever reaches this level of risk; empty: none.
    alert_level: str = "high"
    #: Whom alerts and digest are for; empty: all administrators with a mail address.
    alert_recipients: Sequence[str] = ()
    #: What comes within so many seconds stands in one mail: people at risk, webhooks that were disabled.
    alert_window: int = MINUTE
    #: For so long no other mail about the same person at the same level; 0: one whenever something new is found.
    alert_repeat: int = 0
    #: A mail to administrators each Monday about the week.
    digest: bool = True
    #: Networks, not public, to which logout tokens and webhooks may be sent as well.
    outgoing_networks: Sequence[str] = ()

    #: Path of the administrator's console below the issuer; empty: none. The stand-alone server has it at ``/admin``.
    admin_path: str = ""
    #: The console asks to sign in again after so long without use, and after so long in any case.
    admin_idle: int = 15 * MINUTE
    admin_absolute: int = 12 * HOUR
    #: From so many exports and look-ups, or acts, of one administrator within an hour on, the account is at risk.
    console_reads_per_hour: int = 60
    console_acts_per_hour: int = 300
    #: The same of one application at the API: from so many reads, or acts, within an hour on it is at risk.
    api_reads_per_hour: int = 2000
    api_acts_per_hour: int = 300
    #: Endpoint of the host application's own sign-in page; empty: ours.
    login_view: str = ""

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        if not parts.netloc or parts.query or parts.fragment or self.issuer.endswith("/"):
            raise ConfigurationError(
                "IDPROTECT_ISSUER must be a URL without query, fragment or trailing slash"
            )
        if not re.fullmatch("#[0-9a-fA-F]{6}", self.brand_accent):
            raise ConfigurationError("IDPROTECT_BRAND_ACCENT must be a colour like #3b5bdb")
        if not re.fullmatch(r"(/[\w.-]+)*", self.admin_path, re.ASCII):
            raise ConfigurationError("IDPROTECT_ADMIN_PATH must be a path like /admin, or empty")
        if parts.scheme != "https" and not (self.development and parts.scheme == "http"):
            raise ConfigurationError("IDPROTECT_ISSUER must be https (http only with IDPROTECT_DEVELOPMENT)")
        if not self.development and "outbox" in (self.sms_sender, self.mail_sender):
            raise ConfigurationError(
                "the outbox senders write codes to disk; use them with IDPROTECT_DEVELOPMENT only"
            )
        for name, value, choices in (
            ("DETECTOR_FAILURE", self.detector_failure, ("refuse", "high_risk")),
            ("SMS_SENDER", self.sms_sender, ("outbox", "http", "null")),
            ("MAIL_SENDER", self.mail_sender, ("outbox", "smtp", "null")),
            ("SIGNING_ALGORITHM", self.signing_algorithm, ALGORITHMS),
            ("SMTP_TLS", self.smtp_tls, ("none", "starttls", "tls")),
            ("ALERT_LEVEL", self.alert_level, ("", "low", "medium", "high")),
        ):
            if value not in choices:
                raise ConfigurationError(f"{PREFIX}{name} must be one of {', '.join(choices)}")
        for setting in fields(self):
            unset = setting.name in MAY_BE_ZERO or setting.name.endswith("_max_age")
            least = 0 if unset else 1
            if setting.type is int and getattr(self, setting.name) < least:
                raise ConfigurationError(f"{PREFIX}{setting.name.upper()} must be at least {least}")
        sources.from_setting(self.address_lists)
        for name in ("trusted_proxies", "outgoing_networks"):
            for network in getattr(self, name):
                try:
                    ipaddress.ip_network(network)
                except ValueError:
                    raise ConfigurationError(f"{PREFIX}{name.upper()}: {network!r} is no network") from None
        for name in self.client_document_hosts:
            if not re.fullmatch(r"\.?[\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:.]+\]", name, re.ASCII):
                raise ConfigurationError(f"{PREFIX}CLIENT_DOCUMENT_HOSTS: {name!r} is no host")
        if self.sms_sender == "http" and not self.sms_gateway_url:
            raise ConfigurationError(f"{PREFIX}SMS_SENDER is http, but {PREFIX}SMS_GATEWAY_URL is not set")

    @property
    def is_https(self) -> bool:
        """Whether browsers reach us over TLS; cookies are ``__Host-`` and Secure then."""
        return self.issuer.startswith("https://")

    @property
    def url_prefix(self) -> str:
        """The path of the issuer, under which all pages and endpoints lie."""
        return urlsplit(self.issuer).path


FIELDS: Mapping[str, Field[Any]] = {PREFIX + f.name.upper(): f for f in fields(Settings)}


def load(config: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from Flask's *config*; the environment wins.

    :raises ConfigurationError: for an unknown key or a value of the wrong kind, naming the key.
    """
    environ = os.environ if environ is None else environ
    values = {key: config[key] for key in config if key.startswith(PREFIX)}
    values |= {key: text for key, text in environ.items() if key.startswith(PREFIX)}
    for key in [key for key in values if key.endswith("_FILE") and key not in FIELDS]:
        values[key.removesuffix("_FILE")] = _read_secret(key, values.pop(key))
    if unknown := sorted(values.keys() - FIELDS.keys()):
        raise ConfigurationError("unknown settings: " + ", ".join(unknown))
    return Settings(**{FIELDS[key].name: _typed(key, value) for key, value in values.items()})


def _read_secret(key: str, path: str) -> str:
    target = FIELDS.get(key.removesuffix("_FILE"))
    if target is None or not target.metadata.get("secret"):
        raise ConfigurationError(f"unknown settings: {key}")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ConfigurationError(f"{key}: {error.strerror}: {path}") from error


def _typed(key: str, value: Any) -> Any:
    """Turn the text of an environment variable into the type of its field; refuse what is of another type."""
    kind = FIELDS[key].type
    if kind is Path and isinstance(value, str | Path):
        return Path(value)
    if not isinstance(value, str):
        if not _fits(value, kind):
            raise ConfigurationError(f"{key} has the wrong type: {type(value).__name__}")
        return value
    try:
        if kind is int:
            return int(value)
        if kind is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                value.lower()
            ]
        if kind == Sequence[str]:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if kind == Mapping[str, str]:
            return dict(part.strip().split("=", 1) for part in value.split(",") if part.strip())
    except (ValueError, KeyError):
        raise ConfigurationError(f"{key} has the wrong form: {value!r}") from None
    return value


def _fits(value: Any, kind: Any) -> bool:
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == Sequence[str]:
        return isinstance(value, Sequence | Set) and all(isinstance(part, str) for part in value)
    if kind == Mapping[str, str]:
        return isinstance(value, Mapping)
    if kind == str | None:
        return value is None
    return (
        isinstance(value, Sequence)
        if kind == Sequence[Detector]
        else kind is bool and isinstance(value, bool)
    )


def describe() -> list[tuple[str, str]]:
    """Return every key with its default, for ``flask idprotect check`` and the documentation."""
    rows = []
    for key, setting in FIELDS.items():
        default = setting.default if setting.default is not MISSING else "(empty)"
        rows.append((key, str(default)))
    return rows
