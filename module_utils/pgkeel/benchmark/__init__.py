"""Scenarios, and honest timing of them."""
