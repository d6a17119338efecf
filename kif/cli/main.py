"""The ``kif`` command. Errors are one sentence on standard error, and the error's exit code."""

import contextlib
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from kif.cli.app import App
from kif.cli.fault import FAULT, write_report
from kif.formats.error import KifError, LedgerUnavailable
from kif.oracle.home import Home, require_path

_COMMANDS = (
    *("batch", "card", "ceremony", "completion", "delivery", "demo", "form", "hsm", "issuer"),
    *("key", "log", "pin", "privacy", "product", "simulate", "station"),
)
"""Each is in the module of its name."""
_STOPPED = 130
"""The exit code that shells give to a command that was interrupted."""


class Commands(click.Group):
    """The commands; each is imported when it is asked for, since most need little of the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name."""
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"kif.cli.{cmd_name}"), cmd_name)
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home",
    envvar="KIF_HOME",
    default="var",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the site (or the variable KIF_HOME).",
)
@click.version_option(package_name="kif")
@click.pass_context
def kif(context: click.Context, home: Path) -> None:
    """Key management and injection for smart-card personalisation bureaus."""
    require_path(home)
    context.obj = App(Home(home))


def main() -> None:
    """Run ``kif`` and end with the exit code of docs/operator.md; never with a traceback."""
    _have_streams()
    try:
        kif(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as usage:
        usage.show()
        sys.exit(usage.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _end("Interrupted. What was recorded before stands; the step under way does not.", _STOPPED)
    except KifError as error:
        _end(str(error), error.exit_code)
    except OSError as error:
        _end(*_of_system(error))
    except Exception as fault:
        _end(
            f"A fault of kif itself ({type(fault).__name__}); what was recorded stands. Please "
            f"send the report, which has no data in it: {write_report(fault)}",
            FAULT,
        )


def _have_streams() -> None:
    """Put nothing where a closed stream would be."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115


def _of_system(error: OSError) -> tuple[str, int]:
    """Return what to say of the operating system's refusal, and the exit code."""
    if error.filename is None:
        with contextlib.suppress(OSError):  # or Python tries once more, and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return (
            f"The output can't be written ({error.strerror}). What was recorded stands.",
            LedgerUnavailable.exit_code,
        )
    return (
        f"{os.fsdecode(error.filename)}: {error.strerror}. Nothing more was done. Check the path, "
        "the rights on it and the disk.",
        LedgerUnavailable.exit_code,
    )


def _end(sentence: str, code: int) -> NoReturn:
    click.echo(f"kif: {sentence}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
