"""A seeded simulator of the real engine on a real database, with services that fail."""
