"""A stateful test over real HTTP: two Google accounts, one CalDAV server, people, crashes."""
