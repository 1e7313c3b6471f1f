"""What a user may set: definitions, values, where they come from."""
