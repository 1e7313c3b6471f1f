"""The local test server: deterministic files over HTTP, strict about ranges and conditions. Imports nothing of the package."""
