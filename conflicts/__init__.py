"""Changes that clash, and what a person ruled."""
