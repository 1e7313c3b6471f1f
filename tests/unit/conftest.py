"""One Hypothesis profile for the unit tests: the same examples on every run, nothing written to disk, no deadlines."""

from hypothesis import settings

settings.register_profile("unit", derandomize=True, deadline=None, database=None, max_examples=150)
settings.load_profile("unit")
