"""The console: server-rendered pages that work without script, and their few static files."""
