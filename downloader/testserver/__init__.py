"""The local test server: deterministic files over HTTP, with strict ranges and conditions. Imports nothing of the package."""
