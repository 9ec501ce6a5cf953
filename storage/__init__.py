"""SQLAlchemy: tables, queries, log chunks, migrations. Queries stand here and nowhere else."""
