"""The workers of a Dask cluster, each with an event loop over libcurl.

`strategy` is what the registry finds. `client` drives the run: it deals Attempts to the workers. `remote` has the functions
that the client calls in a worker, and `engine` is what downloads there. `messages` says what travels between the two.
"""
