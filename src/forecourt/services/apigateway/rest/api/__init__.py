"""The operations of `apigateway`, a module per noun: a handler finds, checks, writes and describes."""
