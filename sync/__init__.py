"""The engine: fetch, stage, plan, guard, execute, and the journal of it all."""
