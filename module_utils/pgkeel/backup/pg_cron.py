"""The extension pg_cron in a restored copy: it must be there, and must change nothing.

No job is started (cron.launch_active_jobs is off on a proving ground). But when its scheduler starts, it writes off what it finds
running in cron.job_run_details, which is part of a dump: jobs that ran while the backup was taken would differ in a healthy copy.
"""

from __future__ import annotations

import time

from ..postgres.connect import connect
from ..postgres.proving_ground import ProvingGround
from .contents import Contents

NAME = "pg_cron"
# It looks for its database once a second.
AWAIT_SECONDS = 15.0
# Past its start, it waits for the next job.
WAITS = """
SELECT FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'pg_cron launcher' AND datname = current_database() AND wait_event_type = 'Extension'
"""


def settings_of(contents: Contents, database: str) -> dict[str, str]:
    """What the cluster needs: the extension refuses to be created in any other database than the one that is set."""
    return {"cron.database_name": database} if NAME in contents.extensions else {}


def await_scheduler(running: ProvingGround, contents: Contents, database: str) -> None:
    """Let its scheduler start in the database while that is empty. One that does not come within seconds is not waited for."""
    if NAME not in contents.extensions or NAME in running.skipped_libraries:
        return
    deadline = time.monotonic() + AWAIT_SECONDS
    with connect(running.login(database)) as session:
        while session.execute(WAITS).fetchone() is None and time.monotonic() < deadline:
            time.sleep(0.05)
