"""What is stored of a token instead of the token."""

import hashlib


def token_hash(value: str) -> str:
    """SHA-256, lower-case hex. Tokens have 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(value.encode()).hexdigest()
