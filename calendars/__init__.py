"""What is kept in step: items and their kinds, and the busy blocks between calendars."""
