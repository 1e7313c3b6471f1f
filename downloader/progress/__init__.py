"""What a run shows while it runs: numbers that strategies add to, and displays that sample them."""
