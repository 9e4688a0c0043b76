"""Google: its OAuth, its Calendar API, and the provider that speaks to one calendar."""
