"""Who may call a method: Lambda authorizers, user pools, AWS_IAM and resource policies, one module each."""
