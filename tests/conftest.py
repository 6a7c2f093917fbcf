"""What every test is run with."""

import signal

from hypothesis import HealthCheck, settings

# The same examples every time, and no limit on a slow machine. A new random search belongs to whoever looks for faults, not to
# whoever wants to merge: pytest --hypothesis-profile=default tests/unit
settings.register_profile("pgkeel", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pgkeel")

# A shell that starts a program in the background has it ignore interruptions, and every program that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
