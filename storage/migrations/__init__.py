"""The database's schema through time, one revision a file. ``storage.schema`` runs them."""
