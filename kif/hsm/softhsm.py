"""SoftHSM's configuration: one token directory for each home, named by an environment variable.

SoftHSM reads ``SOFTHSM2_CONF`` when the library is initialised, so the file is written and the
variable set before :func:`kif.hsm.library.load`.
"""

import os
from pathlib import Path


def use_directory(directory: Path) -> None:
    """Point SoftHSM at a token directory, making it (mode 700) when it is not there."""
    tokens = directory / "tokens"
    tokens.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = directory / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tokens.resolve()}\n"
        "objectstore.backend = file\n"
        "log.level = ERROR\n"
        "slots.removable = false\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(configuration.resolve())
