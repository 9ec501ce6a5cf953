"""Vocabulary and decisions of release management: no I/O, no clock, no framework but pydantic."""
