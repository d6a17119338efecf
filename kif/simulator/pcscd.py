"""A pcscd of one's own: private socket, virtual readers, no trace on the machine."""

from __future__ import annotations

import os
import shutil
import socket
import string
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.simulator.tied import tied

Found = TypeVar("Found")

_DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
_SEARCH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
_PATIENCE = 10.0
_IN_NAMESPACE = (
    'mount -t tmpfs none /run && mkdir /run/pcscd && mount --bind "$1" /run/pcscd && shift'
    ' && ulimit -n 1024 && exec "$@"'
)
_ACTIVATED = 'exec 3<&"$1"; shift; ulimit -n 1024; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'


class PrivatePcscd:
    """A running pcscd. ``socket_path`` is for ``PCSCLITE_CSOCK_NAME``; ``ports`` by reader name."""

    def __init__(self, readers: int = 1) -> None:
        self._program = _require(shutil.which("pcscd", path=_SEARCH), "pcscd")
        _require(_DRIVER.exists(), "vsmartcard-vpcd")
        self._folder = Path(tempfile.mkdtemp(prefix="kif-pcscd-"))
        self._run = self._folder / "run"
        self._run.mkdir()
        self.socket_path = self._run / "pcscd.comm"
        self.ports = self._configure(readers)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivatePcscd:
        program = [self._program, "--foreground", "--error"]
        program += ["--config", str(self._folder / "readers")]
        told = subprocess.run([self._program, "--help"], capture_output=True, check=False).stdout
        if b"--disable-polkit" in told:  # pcsc-lite 2; before it there is no polkit
            program.append("--disable-polkit")
        with (self._folder / "log").open("wb") as log:
            self._process = self._start(program, log.fileno())
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _configure(self, readers: int) -> dict[str, int]:
        """Write the readers' configuration; the driver keeps its slots in globals: copy it."""
        ports, lines = {}, []
        for number in range(readers):
            name, port = f"VPCD {string.ascii_uppercase[number]}", _free_pair()
            library = self._folder / f"vpcd{number}.so"
            shutil.copy(_DRIVER.resolve(), library)
            lines.append(
                f'FRIENDLYNAME "{name}"\nDEVICENAME /dev/null:{port:#x}\n'
                f"LIBPATH {library}\nCHANNELID {port:#x}\n"
            )
            ports[f"{name} 00 00"] = port
        (self._folder / "readers").write_text("\n".join(lines))
        return ports

    def _start(self, program: list[str], log: int) -> subprocess.Popen[bytes]:
        # Our readers' names have capitals and blanks only: every other reader is left alone.
        others = ":".join(string.ascii_lowercase + string.digits)
        environment = dict(os.environ, PCSCLITE_FILTER_IGNORE_READER_NAMES=others)
        unshare = _namespace()
        if unshare:
            command = [*unshare, "sh", "-c", _IN_NAMESPACE, "sh", str(self._run), *program]
            return _popen(command, log, environment, ())
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket_path))
            listener.listen(16)
            handed = listener.fileno()
            command = ["sh", "-c", _ACTIVATED, "sh", str(handed), *program]
            return _popen(command, log, environment, (handed,))

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE
        while not self._ready():
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > end:
                said = (self._folder / "log").read_text(errors="replace").strip()
                raise DeviceFailed(
                    Control.READER,
                    f"The private pcscd did not start ({said or 'it said nothing'}). Without root "
                    "it needs either user namespaces or a folder /run/pcscd that this user may "
                    "write; make one with 'sudo install -d -o $USER /run/pcscd'.",
                )
            time.sleep(0.005)

    def _ready(self) -> bool:
        listening = Path("/proc/net/tcp").read_text()
        ports = all(f":{port:04X} " in listening for port in self.ports.values())
        return ports and self.socket_path.exists()


def _popen(
    command: list[str], log: int, environment: dict[str, str], handed: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        tied("KILL", command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        pass_fds=handed,
    )


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
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
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
