"""A seeded simulator of what the engine decides: many worlds a second, without a database."""
