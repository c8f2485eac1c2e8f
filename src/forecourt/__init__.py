"""Forecourt: Amazon API Gateway, Amazon Cognito and AWS Step Functions on one's own machines."""

__version__ = "0.1.0"
