"""The pure part of Lockstep: values in, decisions out; standard library only."""
