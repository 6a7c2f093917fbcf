"""How the property tests search: the same examples every time, and no limit on a slow machine.

A new random search belongs to whoever looks for faults, not to whoever wants to merge:
pytest --hypothesis-profile=default tests/unit
"""

from hypothesis import HealthCheck, settings

settings.register_profile("pgkeel", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pgkeel")
