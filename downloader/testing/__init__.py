"""For authors of strategies: the contract suite, and a server that answers exactly as a test says. Needs pytest to run."""
