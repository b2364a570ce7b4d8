"""The embedded default: a one-member cluster in a data directory of this machine.

Started on demand by whoever connects first, shared by all, and left running. A lock on a file
settles who starts it: the winner hands its locked descriptor on to the node's process, so the
lock is held exactly as long as that process lives, however it ends. Whoever finds it held just
connects, and waits as for any node that is still starting.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import attrs

from coord.client.settings import embedded_home
from coord.errors import ErrorCode, Misuse, Unavailable

NAME = "n1"
SOCKET_PATH_BYTES_MAX = 107  # what a local socket's address can hold
START_MS_MAX = 10_000.0
_PAUSE_MS_MAX = 50.0
_ENDING_PAUSE_MS = 2.0
_LOG_TAIL_BYTES = 2_000


@attrs.frozen
class EmbeddedPlace:
    """Where this machine's own cluster lives.

    Attributes:
        home: holds the lock (with the node's process id in it), the log file and the data.
        sockets: holds the sockets: `home`, unless its path is too long for one.
    """

    home: Path
    sockets: Path

    @property
    def client_address(self) -> str:
        """Where the node serves clients."""
        return f"ipc://{self.client_socket}"

    @property
    def peer_address(self) -> str:
        """Where the node would serve peers, if it had any."""
        return f"ipc://{self.sockets / 'peer'}"

    @property
    def client_socket(self) -> Path:
        """The file that appears when the node listens."""
        return self.sockets / "client"


def place_of(environment: Mapping[str, str]) -> EmbeddedPlace:
    """Return where the embedded default lives; makes the folders, for this user alone.

    Raises:
        Misuse: they cannot be made, or the sockets' folder belongs to somebody else.
    """
    home = embedded_home(environment).absolute()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(os.fsencode(home / "client")) <= SOCKET_PATH_BYTES_MAX:
            return EmbeddedPlace(home, home)
        digest = hashlib.blake2b(os.fsencode(home), digest_size=8).hexdigest()
        sockets = Path(tempfile.gettempdir()) / f"coord-{os.getuid()}-{digest}"
        sockets.mkdir(mode=0o700, exist_ok=True)
        if sockets.stat().st_uid != os.getuid():
            raise Misuse(f"{sockets} belongs to another user", ErrorCode.INVALID_OPTION)
    except OSError as error:
        raise Misuse(f"embedded cluster: {error}", ErrorCode.INVALID_OPTION) from error
    return EmbeddedPlace(home, sockets)


def ensure_running(environment: Mapping[str, str] | None = None) -> str:
    """Return the address of this machine's own cluster, starting it if it does not run.

    Args:
        environment: where COORD_HOME is looked up; None: that of this process.

    Raises:
        Misuse: its folder cannot be used.
        Unavailable: the node ended while it started, or did not listen within ten seconds; the
            text has the end of its log.
    """
    place = place_of(os.environ if environment is None else environment)
    lock = os.open(place.home / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if _take(lock):
            _start(place, lock)
        # Else it runs, or somebody is starting it.
    finally:
        # The node's process has its own copy, which keeps the lock.
        os.close(lock)
    return place.client_address


def _take(lock: int) -> bool:
    """Take the lock unless a living process has it; one that is being killed is waited for."""
    give_up_s = time.monotonic() + START_MS_MAX / 1000.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not _is_ending(os.pread(lock, 32, 0)) or time.monotonic() > give_up_s:
                return False
            time.sleep(_ENDING_PAUSE_MS / 1000.0)
        else:
            return True


def _is_ending(holder: bytes) -> bool:
    """Whether the process of this number is dead, but for threads that still have its files.

    Connecting to it even works for a moment longer, and then nobody starts it again.
    """
    try:
        stat = Path(f"/proc/{int(holder)}/stat").read_text()
    except (OSError, ValueError):
        return False  # not known, or not started yet
    return stat.rpartition(")")[2].split()[0] in ("Z", "X")


def _start(place: EmbeddedPlace, lock: int) -> None:
    if not sys.executable:
        raise Misuse("this Python cannot start others; name an endpoint", ErrorCode.INVALID_OPTION)
    # Left over from a node that was killed: nobody listens there, since we hold the lock.
    place.client_socket.unlink(missing_ok=True)
    with open(place.home / "node.log", "ab") as log:
        node = subprocess.Popen(
            _command(place),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.home,
            env=_environment(),
            pass_fds=(lock,),
            start_new_session=True,
        )
    os.truncate(lock, 0)
    os.pwrite(lock, f"{node.pid}\n".encode(), 0)
    _wait(place, node)


def _command(place: EmbeddedPlace) -> list[str]:
    return [
        *(sys.executable, "-m", "coord.cli", "serve"),
        *("--name", NAME),
        *("--data-dir", str(place.home / "data")),
        *("--listen-peer", place.peer_address),
        *("--listen-client", place.client_address),
        *("--initial-cluster", f"{NAME}={place.peer_address}"),
        *("--log-level", "warning"),
    ]


def _environment() -> dict[str, str]:
    """Return the node's environment: this same code, with its assertions on."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONOPTIMIZE"}
    source = str(Path(__file__).resolve().parents[2])
    others = environment.get("PYTHONPATH")
    environment["PYTHONPATH"] = f"{source}{os.pathsep}{others}" if others else source
    return environment


def _wait(place: EmbeddedPlace, node: "subprocess.Popen[bytes]") -> None:
    """Wait until the node listens, looking less and less often."""
    give_up_s = time.monotonic() + START_MS_MAX / 1000.0
    pause_ms = 2.0
    while not place.client_socket.exists():
        if node.poll() is not None:
            raise Unavailable(f"the embedded node ended at its start: {_log_tail(place)}")
        if time.monotonic() > give_up_s:
            raise Unavailable(f"the embedded node does not listen: {_log_tail(place)}")
        time.sleep(pause_ms / 1000.0)
        pause_ms = min(pause_ms * 1.5, _PAUSE_MS_MAX)
    # It lives on without us; this keeps Python from warning that we did not wait for its end.
    node.returncode = 0


def _log_tail(place: EmbeddedPlace) -> str:
    written = (place.home / "node.log").read_bytes()[-_LOG_TAIL_BYTES:]
    return written.decode(errors="replace").strip().splitlines()[-1] if written else "no log"
