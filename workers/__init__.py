"""The worker processes: what they register, and the sandbox workflows run in."""
