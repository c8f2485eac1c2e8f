"""AWS services by name. None imports another: they meet at the `Caller` port."""
