"""`dl compare`: the same list under each strategy, each in a process of its own, measured and verified."""
