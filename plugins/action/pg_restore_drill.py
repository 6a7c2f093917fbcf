"""Show how far a drill is while it lasts, as for a backup."""

from __future__ import annotations

from ansible.plugins.loader import action_loader

ActionModule = action_loader.get("pg_backup", class_only=True)
