"""The process that keeps a throw-away PostgreSQL cluster alive for as long as somebody uses it.

Started by `postgres.py`, by path and with nothing but the standard library. Users hold a shared `flock` on
one file. The keeper waits for the exclusive lock, which the kernel grants when the last user has let go,
however it ended, `SIGKILL` included; then it stops the server and removes the folder. So nothing counts
references, and no crash of a test can leave a server behind.

    python postgres_keeper.py BINARIES USERS_LOCK STATE_FILE
"""

import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

START_SECONDS = 60
INITDB_OPTIONS = ("-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync")
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "timezone": "UTC",
    "log_min_messages": "warning",
}


def main(binaries: str, users: str, state: str) -> None:
    """Detach, serve until nobody holds `users`, and leave nothing behind."""
    if os.fork():
        return
    os.setsid()
    os.closerange(3, 1024)  # a lock inherited from a careless parent would be a user that never leaves
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        # The outermost, the lock, goes last: a new user waits until all is gone, finds no state, starts anew.
        with open(users) as lock, cluster_folder() as folder, server(Path(binaries), folder):
            serve_until_unused(lock, state, folder)
    except Exception as error:
        write_state(state, error=f"{type(error).__name__}: {error}")
        raise


def serve_until_unused(lock: IO[str], state: str, folder: Path) -> None:
    """Announce the server, and wait for the moment when the keeper alone holds the lock."""
    write_state(state, socket=str(folder), keeper=os.getpid())
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        os.unlink(state)


def account() -> dict[str, Any]:
    """Return the `Popen` arguments that leave root behind: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("running as root, and there is neither a user postgres nor a user nobody")


@contextmanager
def cluster_folder() -> Iterator[Path]:
    """Make the folder of data and socket: short (a socket path has 107 bytes), private (the only lock)."""
    folder = Path(tempfile.mkdtemp(prefix="idprotect-pg-"))
    try:
        owner = account()
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server(binaries: Path, folder: Path) -> Iterator[None]:
    """Run a server on a fresh cluster in `folder`."""
    env = {**os.environ, "HOME": str(folder)}
    common: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL, "env": env, **account()}
    data = folder / "data"
    initdb = [str(binaries / "initdb"), "-D", str(data), *INITDB_OPTIONS]
    subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, **common)
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command = [str(binaries / "postgres"), "-D", str(data), f"--unix_socket_directories={folder}", *settings]
    process = subprocess.Popen(command, **common)
    try:
        wait_until_ready(process, data / "postmaster.pid")
        yield
    finally:
        stop(process)


def wait_until_ready(process: subprocess.Popen[bytes], pid_file: Path) -> None:
    """Wait for the word `ready`, the eighth line of the file that the server writes about itself."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"postgres ended with {process.returncode} while starting")
        lines = pid_file.read_text().splitlines() if pid_file.exists() else []
        if len(lines) > 7 and lines[7].strip() == "ready":
            return
        time.sleep(0.05)
    raise RuntimeError(f"postgres was not ready after {START_SECONDS} seconds")


def stop(process: subprocess.Popen[bytes]) -> None:
    """Shut down without a checkpoint: the data goes away anyhow."""
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def write_state(path: str, **state: object) -> None:
    """Tell the users, in one step, where the server is or why there is none."""
    unfinished = Path(f"{path}.{os.getpid()}")
    unfinished.write_text(json.dumps(state))
    unfinished.replace(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
