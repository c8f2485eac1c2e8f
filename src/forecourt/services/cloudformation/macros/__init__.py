"""Transforms: what a template becomes before it is read.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-reference.html
"""

from forecourt.services.cloudformation.macros.expand import Macros

__all__ = ["Macros"]
