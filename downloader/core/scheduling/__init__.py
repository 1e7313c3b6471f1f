"""Which Attempt starts next, and what follows from each Outcome."""
