"""What several test files use: servers, waiting, processes, files, and the marks of the slow part.

A test file imports from here and never from another test file.

- `scripted`: a server at socket level, and a SOCKS proxy. `origin`: one script that serves a large file in ranges.
- `fetching`: a run under the strategy at hand. `command`: `dl` in a process of its own.
- `processes`: waiting for a condition, and which processes there are. `files`: what is in a folder.
- `scheduling`: driving a Scheduler by hand.
- `strategies`: which strategies support what, and the `quick_for` mark. `ports`: a free port.
- `sample_study`: a comparison without measuring. `fake_server`: a server without a connection.
- `constants`: other values for constants, in scripts that tests run.
- `processing_functions`: functions for `--process`, imported by name in worker processes.
"""
