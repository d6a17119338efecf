"""Open a token in a process of its own: ``python -m tests.hsm.opening LIBRARY LABEL DIRECTORY``.

The PIN comes on standard input. Prints the token's model, or the error as
``control exit sentence``.
"""

import sys
from pathlib import Path

from kif.formats.error import KifError
from kif.formats.secret import Secret
from kif.hsm.token import Token, TokenPlace


def main() -> int:
    """Open, describe, close."""
    library, label, directory = sys.argv[1:]
    pin = Secret(sys.stdin.buffer.read())
    try:
        with Token.open(TokenPlace(Path(library), label, Path(directory)), pin) as token:
            print(token.describe().model)
    except KifError as error:
        print(error.control.value, error.exit_code, error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
