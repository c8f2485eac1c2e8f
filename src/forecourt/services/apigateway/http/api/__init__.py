"""The operations of `apigatewayv2`, a module per noun."""
