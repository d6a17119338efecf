"""Printing a card, and encoding its stripe: what is made for it is handed over, and forgotten."""

from __future__ import annotations

import io
from typing import Protocol

from PIL import Image

from kif.formats.control import Control
from kif.formats.error import CheckFailed, DeviceFailed
from kif.formats.script import Script
from kif.graphics.front import DPI, HEIGHT_MM, WIDTH_MM, Plane, laser_plane
from kif.graphics.stripe import Encoder, encode_stripe
from kif.oracle.interface import GraphicsOracle
from kif.oracle.messages import JobRef, JobView


class Printer(Protocol):
    """A laser or printer of a machine."""

    def print(self, plane: Plane) -> None:
        """Put a plane onto the card. Raises ``DeviceFailed`` when the machine can't."""


class SimulatedLaser:
    """A laser that accepts a 1-bit plane which lies on the card, and keeps nothing of it."""

    def print(self, plane: Plane) -> None:
        """Check that the plane is 1-bit and within an ID-1 card at the laser's resolution."""
        image = Image.open(io.BytesIO(plane.image.reveal()))
        width, height = (round(side / 25.4 * DPI) for side in (WIDTH_MM, HEIGHT_MM))
        right, bottom = plane.left + image.width, plane.top + image.height
        if image.mode != "1" or min(plane.left, plane.top) < 0 or right > width or bottom > height:
            raise DeviceFailed(
                Control.CARD_STATUS,
                f"The laser takes 1-bit planes within {width} x {height} pixels; this one is "
                f"{image.mode}, {image.size} at {plane.left}, {plane.top}.",
            )


def print_card(job: JobRef, oracle: GraphicsOracle, printer: Printer, encoder: Encoder) -> JobView:
    """Encode the stripe of the card in the machine, if it has one; print it, and record that.

    A card whose stripe does not read back is suspect, and not printed.
    """
    script = Script.decode(oracle.script(job))
    if script.stripe is not None:
        try:
            encode_stripe(script.stripe, encoder)
        except CheckFailed as fault:
            return oracle.suspect(job, fault.control, fault.sentence)
    printer.print(laser_plane(script.artwork))
    return oracle.printed(job)
