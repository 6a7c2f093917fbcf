"""The database architect: workload, candidates, choice, proof, log.

It knows no schema by name. Nothing here changes production's tables: what it advises is proved on a restored copy first.
"""
