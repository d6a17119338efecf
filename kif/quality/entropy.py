"""What quality control needs of chance: a terminal's unpredictable numbers."""

from __future__ import annotations

from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""Gives so many bytes that nobody can foresee."""
