"""kryoptic's configuration: one database for each directory, named by an environment variable."""

import os
from pathlib import Path


def is_kryoptic(library: Path) -> bool:
    """Return whether a library is kryoptic, by its name."""
    return "kryoptic" in library.name


def use_directory(directory: Path) -> None:
    """Point kryoptic at a database in a directory; it is read when the library is started."""
    configuration = directory / "kryoptic.conf"
    configuration.write_text(
        f'[[slots]]\nslot = 1\ndbtype = "sqlite"\ndbargs = "{directory}/token.sql"\n'
    )
    os.environ["KRYOPTIC_CONF"] = str(configuration)
