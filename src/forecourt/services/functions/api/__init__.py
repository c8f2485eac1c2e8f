"""Lambda's operations, one module per noun. Thin: names are parsed, the store asked, the answer shown."""
