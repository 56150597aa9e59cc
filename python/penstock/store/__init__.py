"""The embedded store: the only SQL. Nothing of SQLAlchemy leaves this package."""
