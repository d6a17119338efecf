"""Fulfilment: good cards leave by a dispatch list, and every card is accounted for."""
