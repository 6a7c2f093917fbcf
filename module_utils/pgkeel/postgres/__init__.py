"""Connecting to PostgreSQL, typed catalog reads, settings, and the proving ground."""
