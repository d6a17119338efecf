"""The chip: a station that relays between a card and the oracle, and never holds a key."""
