"""What is true of a download, as pure code: no socket, no file, no clock, no thread, no randomness of its own."""
