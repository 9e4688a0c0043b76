"""CalDAV (RFC 4791, RFC 6578): any server, and the provider that speaks to one calendar."""
