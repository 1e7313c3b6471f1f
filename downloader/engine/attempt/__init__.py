"""One Attempt, from its first request to its Outcome, as steps that any driver can take."""
