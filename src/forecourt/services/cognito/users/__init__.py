"""Users: as an administrator sees them, and what they do for themselves."""
