"""Adapters of HTTP clients. Each library is imported by its own modules here, and nowhere else."""
