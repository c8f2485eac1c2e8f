"""The operations of the Step Functions API, one module per noun. Each is thin: check, ask the store or the shell."""
