"""The store on SQLAlchemy: SQLite embedded, keys sealed, migrated when it is opened."""
