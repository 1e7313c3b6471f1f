"""Which Attempt starts next, and what an Outcome leads to."""
