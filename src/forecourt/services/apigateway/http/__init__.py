"""HTTP APIs: the control plane of `apigatewayv2`. WebSocket APIs share its entities and get their own folder."""
