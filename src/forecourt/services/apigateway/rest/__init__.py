"""REST APIs: the control plane of `apigateway` (what is configured; `snapshot.py` is what of it gets deployed)."""
