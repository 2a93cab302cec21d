"""The only place that knows the databases: facts, and who owns them."""
