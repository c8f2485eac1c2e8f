"""Amazon API Gateway: REST and HTTP APIs, their control planes and the path of a request through them."""
