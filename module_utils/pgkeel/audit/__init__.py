"""A registry of checks; one check is one small function with its SQL beside it."""
