"""Mapping templates: the Velocity Template Language as API Gateway has it. Pure.

    template = Template.compile('#set($x = $input.path("$.name"))\n{"hello": "$x"}')
    text = template.render({"input": Input(body, lambda: parameters), "util": Util(), "context": {...}})

`parser` reads a template into the tree of `nodes`; `expressions` and `blocks` make closures of it, once. `methods`
holds the methods of strings, numbers, lists and maps that a template may call (a table: no reflection to escape
through), `input` what API Gateway adds. Output, loops and the sizes of values are bounded: see `state`.
"""

from forecourt.services.apigateway.vtl.input import Input, Parameters, Util
from forecourt.services.apigateway.vtl.jsonpath import JsonPath
from forecourt.services.apigateway.vtl.state import TemplateError
from forecourt.services.apigateway.vtl.template import Template

__all__ = ["Input", "JsonPath", "Parameters", "Template", "TemplateError", "Util"]
