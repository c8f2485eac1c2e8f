"""The operations of `cognito-identity` by noun."""
