"""`dl compare`: runs the same list under each strategy in fresh processes, measures and verifies each run, and explains it."""
