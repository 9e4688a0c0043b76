"""Fixtures and profiles that every test of Lockstep shares."""

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.load_profile("ci")
