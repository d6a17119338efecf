"""Commands that are tied to this process: they end when it ends, however it ends."""

import os
from collections.abc import Sequence

_STILL_OURS = '[ "$PPID" = "$0" ] || exit 1; exec "$@"'


def tied(signal: str, command: Sequence[str]) -> list[str]:
    """Return a command that the kernel sends ``signal`` (a name) when this process ends.

    The kernel is asked after the fork; so a parent that ended before that is looked for once.
    """
    shell = ["sh", "-c", _STILL_OURS, str(os.getpid())]
    return ["setpriv", "--pdeathsig", signal, "--", *shell, *command]
