"""IAM's operations by noun."""
