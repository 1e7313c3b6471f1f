"""The core and its neighbours, without a network."""
