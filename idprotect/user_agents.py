"""What a browser says it is, read once: family, version, system, kind. All of it can be faked."""

from functools import lru_cache
from hashlib import blake2b

from ua_parser import parse

from idprotect.risk.attempt import Browser

#: In the names of programs that people write; ua-parser knows them as browsers of no system.
TOOLS = (
    "python",
    "curl",
    "okhttp",
    "go-http",
    "wget",
    "java/",
    "aiohttp",
    "axios",
    "node",
    "headless",
    "httpx",
    "libwww",
)
#: Browsers built on Chromium send client hints from this version on.
FIRST_WITH_HINTS = 89
CHROMIUM = "Chrome/"
#: The platforms that policies name.
PLATFORMS = {
    "Windows": "windows",
    "Mac OS X": "macos",
    "Linux": "linux",
    "Ubuntu": "linux",
    "iOS": "ios",
    "iPadOS": "ios",
    "Android": "android",
    "Chrome OS": "chromeos",
}


@lru_cache(maxsize=4096)
def read(user_agent: str) -> Browser:
    """Return what a User-Agent header claims."""
    parsed = parse(user_agent)
    family = parsed.user_agent.family if parsed.user_agent else ""
    major = parsed.user_agent.major if parsed.user_agent else None
    system = parsed.os.family if parsed.os else ""
    version = int(major) if major and major.isdigit() else None
    return Browser(
        exact=blake2b(user_agent.encode(), digest_size=8).hexdigest() if user_agent else "",
        family=family,
        version=version,
        system=system,
        kind=_kind(user_agent.lower(), system),
        hints=CHROMIUM in user_agent and system != "iOS" and (version or 0) >= FIRST_WITH_HINTS,
    )


def platform(browser: Browser) -> str | None:
    """Return the platform as policies name it; None when it is none of theirs."""
    return PLATFORMS.get(browser.system)


def _kind(lower: str, system: str) -> str:
    if not lower:
        return "unknown"
    if any(name in lower for name in TOOLS) or (not system and not lower.startswith("mozilla")):
        return "tool"
    if "mobile" in lower or system == "iOS":
        return "mobile"
    if system == "Android":
        return "tablet"
    return "desktop" if system else "unknown"
