"""Adapters of HTTP clients: one module for each, the only ones that import it."""
