"""HTTP in: by host and path to the AWS API, an API's invocation, the hosted UI, or Forecourt's own pages.

Start reading in `router.py`. The edge knows no service: the composition root hands it what answers.
"""
