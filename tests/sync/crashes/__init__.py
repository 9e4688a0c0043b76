"""What a run may be in the middle of, and every way in which it can break off there."""
