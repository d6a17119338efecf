"""Printing a card: the plane is rendered, handed to the laser, and forgotten."""

from __future__ import annotations

import io
from typing import Protocol

from PIL import Image

from kif.formats.control import Control
from kif.formats.error import DeviceFailed
from kif.formats.script import Script
from kif.formats.secret import Secret
from kif.graphics.front import DPI, HEIGHT_MM, WIDTH_MM, laser_plane
from kif.oracle.interface import GraphicsOracle, JobRef, JobView


class Printer(Protocol):
    """A laser or printer of a machine."""

    def print(self, plane: Secret) -> None:
        """Put a plane (TIFF) onto the card. Raises ``DeviceFailed`` when the machine can't."""


class SimulatedLaser:
    """A laser that accepts a plane of its geometry and keeps nothing of it."""

    def print(self, plane: Secret) -> None:
        """Check that the plane is 1-bit and of ID-1 size at the laser's resolution."""
        image = Image.open(io.BytesIO(plane.reveal()))
        expected = (round(WIDTH_MM / 25.4 * DPI), round(HEIGHT_MM / 25.4 * DPI))
        if image.mode != "1" or image.size != expected:
            raise DeviceFailed(
                Control.CARD_STATUS,
                f"The laser takes 1-bit planes of {expected} pixels; this one is {image.mode} "
                f"{image.size}.",
            )


def print_card(job: JobRef, oracle: GraphicsOracle, printer: Printer) -> JobView:
    """Print the card in the machine, and record it."""
    plane = laser_plane(Script.decode(oracle.script(job)).artwork)
    printer.print(Secret(plane))
    return oracle.printed(job)
