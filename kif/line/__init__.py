"""The line: one machine's round over the stages, card by card."""
