"""The pipeline file as people write it: YAML to a pipeline, or to problems with file, line and column."""
