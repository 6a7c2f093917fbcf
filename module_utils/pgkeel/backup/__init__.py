"""Backups that are believed only once restored: manifest, dump, restore, drill."""
