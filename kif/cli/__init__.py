"""The ``kif`` command: one file for each group of commands. Faces only; no logic."""
