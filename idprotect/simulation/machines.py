"""What people sit at: browsers that exist, as they introduce themselves."""

from idprotect.simulation.browsers import Machine

_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"

LAPTOP = Machine(
    "Chrome on Windows",
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/140.0.0.0 Safari/537.36",
    "15.0.0",
    "",
)
PHONE = Machine(
    "Chrome on Android",
    f"Mozilla/5.0 (Linux; Android 10; K) {_WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36",
    "15.0.0",
    "Pixel 9",
)
MAC = Machine(
    "Safari on macOS",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Safari/605.1.15",
)
FIREFOX = Machine(
    "Firefox on Windows", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"
)
LINUX = Machine("Firefox on Linux", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0")
TOR_BROWSER = Machine(
    "Tor Browser", "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
)
SCRIPT = Machine("a Python script", "python-requests/2.32.3")

COLLEAGUES = (LAPTOP, MAC, FIREFOX)
