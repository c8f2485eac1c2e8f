"""Who is calling and may they: SigV4, sealed session credentials, principals, the policy language and its evaluation.

`authenticate.Authenticator` turns a request into a `Principal`; `authorize.PolicyAuthorizer` judges what it asks for,
by what others tell it (`supplies`): IAM of callers, `lookups` and `resource_tags` of resources. `actions` says what an
operation needs; `stored_policies` and `encryption` look at calls that keep policies, or what is under a key.

`sigv4`, `aws_chunked`, `sessions`, `policy`, `callers`, `resources` and `tags` are pure: values in, values out, no
clock, no I/O.
"""
