"""Function URLs: HTTP straight to a function.

`event` makes the function's event of a request, `response` an HTTP response of its result, `cors` the cross-origin
headers; all pure. `serve` is the ASGI side: who is it, may they, invoke, answer.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
"""
