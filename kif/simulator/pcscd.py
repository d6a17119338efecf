"""A pcscd of one's own: private socket, virtual readers, no trace on the machine.

vpcd listens on every network interface: this is test equipment, and not for a machine
that strangers can reach.
"""

from __future__ import annotations

import os
import shutil
import socket
import string
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.simulator.folder import RunFolder
from kif.simulator.tied import tied

Found = TypeVar("Found")

_DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
_SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_PATIENCE, _ATTEMPTS = 10.0, 3
_LISTENING = "0A"
_IN_NAMESPACE = (
    'mount -t tmpfs none /run && mkdir /run/pcscd && mount --bind "$1" /run/pcscd && shift'
    ' && ulimit -n 1024 && exec "$@"'
)
_ACTIVATED = 'exec 3<&"$1"; shift; ulimit -n 1024; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'


class PrivatePcscd:
    """A pcscd that runs within a ``with`` block, and never longer than the thread that entered it.

    ``folder`` is private to this run, ``socket_path`` is for ``PCSCLITE_CSOCK_NAME``, and ``ports``
    has the TCP port of each reader's first slot by the reader's name. Raises ``DeviceFailed``
    (READER) when a package is missing or pcscd does not start.
    """

    folder: Path
    socket_path: Path
    ports: dict[str, int]

    def __init__(self, readers: int = 1) -> None:
        self._program = _require(shutil.which("pcscd", path=_SEARCH), "pcscd")
        _require(_DRIVER.exists(), "vsmartcard-vpcd")
        self._readers = readers

    def __enter__(self) -> PrivatePcscd:
        for _ in range(_ATTEMPTS):
            with ExitStack() as undo:
                self._prepare(undo.enter_context(RunFolder()))
                self._process = self._start()
                undo.callback(_end, self._process)
                if self._ready():
                    self._undo = undo.pop_all()
                    return self
                said = (self.folder / "log").read_text(errors="replace").strip()
            if "Address already in use" not in said:  # else another program took a port meanwhile
                break
        raise DeviceFailed(
            Control.READER,
            f"The private pcscd did not start ({said or 'it said nothing'}). Without root it needs "
            "either user namespaces or a folder /run/pcscd that this user may write; make one with "
            "'sudo install -d -o $USER /run/pcscd'.",
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def _prepare(self, folder: Path) -> None:
        """Write the readers' configuration; the driver keeps its slots in globals: copy it."""
        self.folder, self.ports, lines = folder, {}, []
        (folder / "run").mkdir()
        self.socket_path = folder / "run" / "pcscd.comm"
        for letter in string.ascii_uppercase[: self._readers]:
            name, port = f"VPCD {letter}", _free_pair()
            library = folder / f"vpcd{letter}.so"
            shutil.copy(_DRIVER.resolve(), library)
            lines.append(
                f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:{port:#x}\n'
                f"LIBPATH {library}\nCHANNELID {port:#x}\n"
            )
            self.ports[f"{name} 00 00"] = port
        (folder / "readers").write_text("\n".join(lines))

    def _start(self) -> subprocess.Popen[bytes]:
        program = [self._program, "--foreground", "--error"]
        program += ["--config", str(self.folder / "readers")]
        told = subprocess.run([self._program, "--help"], capture_output=True, check=False).stdout
        if b"--disable-polkit" in told:  # pcsc-lite 2; before it there is no polkit
            program.append("--disable-polkit")
        unshare = _namespace()
        if unshare:
            run = str(self.socket_path.parent)
            return self._popen([*unshare, "sh", "-c", _IN_NAMESPACE, "sh", run, *program])
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket_path))
            listener.listen(16)
            handed = listener.fileno()
            return self._popen(["sh", "-c", _ACTIVATED, "sh", str(handed), *program], handed)

    def _popen(self, command: list[str], *handed: int) -> subprocess.Popen[bytes]:
        # Our readers' names have capitals and blanks only: every other reader is left alone.
        others = ":".join(string.ascii_lowercase + string.digits)
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(
                tied("KILL", command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(os.environ, PCSCLITE_FILTER_IGNORE_READER_NAMES=others),
                pass_fds=handed,
            )

    def _ready(self) -> bool:
        """Wait until pcscd itself, and nobody else, listens on every port and on its socket."""
        end = time.monotonic() + _PATIENCE
        wanted = set(self.ports.values())
        while time.monotonic() < end and self._process.poll() is None:
            if b"init failed" in (self.folder / "log").read_bytes():
                return False
            if self.socket_path.exists() and wanted <= _listening(self._process.pid):
                return True
            time.sleep(0.005)
        return False


def _listening(process: int) -> set[int]:
    """Return the TCP ports that a process listens on (proc(5), /proc/net/tcp)."""
    sockets = set()
    for handle in Path(f"/proc/{process}/fd").iterdir():
        try:
            sockets.add(str(handle.readlink()))
        except OSError:
            continue  # It was closed meanwhile.
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if row[3] == _LISTENING and f"socket:[{row[9]}]" in sockets
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _namespace() -> list[str]:
    """Return how to get a mount namespace here; an empty list where the kernel allows none."""
    as_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *as_user, "--mount", "--propagation", "private"]
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else []


def _free_pair() -> int:
    """Return a TCP port that is free, and the next one too: slot n listens on base + n."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def _require(found: Found | None, package: str) -> Found:
    if not found:
        raise DeviceFailed(
            Control.READER,
            f"The Debian package {package} is not installed; the simulated readers need it. "
            f"Install it with 'apt-get install {package}'.",
        )
    return found
