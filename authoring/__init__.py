"""The pipeline file as people write it: read it, say all that is wrong with it and where, and its JSON Schema."""
