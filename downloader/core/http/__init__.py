"""HTTP as pure code: what to ask a server, and what its answer means for one file.

`transfer` is the record of one Attempt; `transfer_states` has its states and the order of its events; `range_rules` says which
answers to a Range request continue a file; `request_headers`, `redirects`, `refusals`, `guards` and `credentials` hold one
part of the rules each; `headers` parses fields, and `framing` holds the bytes of an answer to RFC 9112.

What an answer means (RFC 9110; `docs/answers.md` has the same table for readers):

| answer | asked with Range | meaning |
| --- | --- | --- |
| 200 | either | the whole file: begin at zero |
| 204, 205 | either | an empty file |
| 206 that no rule in `range_rules` objects to | yes | continue at the byte that was asked for |
| 206, anything else | yes | begin again at zero |
| 206 | no | ProtocolError |
| 416 that no rule in `range_rules` objects to | yes | every byte is there already |
| 416, anything else | yes | begin again at zero |
| 200, 204, 205, 416, or 206 of another version | for one Segment | begin the whole file again; a mirror is dropped for it |
| 304 | conditional | the file is still good |
| 301, 302, 303, 307, 308 | either | follow, at most `max_redirects` times |
| 401, 403, 407 | either | AuthError |
| other 1xx, 2xx and 3xx | either | ProtocolError |
| other | either | HTTPStatusError; `downloader.core.scheduling.retry` decides about another try |
"""
