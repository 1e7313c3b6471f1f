"""One suite, run for every strategy."""
