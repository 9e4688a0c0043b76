"""Settings, addresses and the Celery application of Lockstep."""
