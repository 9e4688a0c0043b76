"""How fast Lockstep is, always beside a floor that was measured in the same run."""
