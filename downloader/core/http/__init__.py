"""The rules of HTTP: what to ask, what an answer means. No I/O."""
