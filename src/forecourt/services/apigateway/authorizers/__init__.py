"""Who may call a method: Lambda authorizers, user pools, JWT issuers, AWS_IAM and resource policies, one module each.

What those that remember share is `step.py`; the kinds of a REST API are listed in `rest.py`.
"""
