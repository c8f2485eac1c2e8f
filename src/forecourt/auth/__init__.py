"""Who is calling and may they: SigV4, sealed session credentials, principals, the policy language and its evaluation.

`authenticate.Authenticator` turns a request into a `Principal`; `authorize.PolicyAuthorizer` judges what it asks for.
`sigv4`, `aws_chunked`, `sessions` and `policy` are pure: values in, values out, no clock, no I/O.
"""
