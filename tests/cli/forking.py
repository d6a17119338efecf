"""A process that has imported kif, and forks a real process of the command for each request.

Importing takes longer than most commands do. What is forked is what ``python -m kif.cli.main`` is
after its imports: arguments, environment, working directory and the three streams of its own.

Run as ``python -m tests.cli.forking``; each line on its standard input is a request (JSON).
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

from kif.cli.main import kif as command
from kif.cli.main import main

ROOT = Path(__file__).parents[2]
_STREAMS = ("stdin", "stdout", "stderr")


def run(arguments: list[str], given: str) -> tuple[int, str, str]:
    """Run the command in a process of its own; return exit code, output and errors."""
    server = _server()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in _STREAMS]
        for path, content in zip(paths, (given, "", ""), strict=True):
            path.write_text(content)
        request = {
            "arguments": ["kif", *arguments],
            "environment": dict(os.environ),
            "folder": str(Path.cwd()),
            "streams": [str(path) for path in paths],
        }
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return code, paths[1].read_text(), paths[2].read_text()


@cache
def _server() -> subprocess.Popen[str]:
    """Return the process that forks, one for each process of tests; it ends with that."""
    pipe = subprocess.PIPE
    program = [sys.executable, "-m", "tests.cli.forking"]
    server = subprocess.Popen(program, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    atexit.register(server.terminate)
    return server


def serve() -> None:
    """Fork a command for each request, and say how it ended."""
    for name in command.list_commands(None):  # type: ignore[arg-type]
        import_module(f"kif.cli.{name}")
    while request := sys.stdin.readline():
        child = os.fork()
        if not child:
            _become(json.loads(request))
            main()
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(wanted: dict[str, object]) -> None:
    """Take over what a command is given: streams, environment, folder and arguments."""
    environment, streams = wanted["environment"], wanted["streams"]
    assert isinstance(environment, dict)
    assert isinstance(streams, list)
    for number, path in enumerate(streams):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    for number, name in enumerate(_STREAMS):
        setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(str(wanted["folder"]))
    arguments = wanted["arguments"]
    assert isinstance(arguments, list)
    sys.argv = arguments


if __name__ == "__main__":
    serve()
