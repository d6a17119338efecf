"""Graphics: what is printed or engraved on the card, rendered and handed to the machine."""
