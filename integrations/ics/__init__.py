"""Calendars that are only read: an iCalendar file behind an address (ICS feed)."""
