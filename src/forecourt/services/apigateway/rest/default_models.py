"""The two models that every new API has."""

from __future__ import annotations

from forecourt.base.ids import Ids
from forecourt.services.apigateway.rest.model import Model, RestApi

_DEFAULTS = {
    "Empty": (
        "This is a default empty schema model",
        """{
  "$schema": "http://json-schema.org/draft-04/schema#",
  "title" : "Empty Schema",
  "type" : "object"
}""",
    ),
    "Error": (
        "This is a default error schema model",
        """{
  "$schema" : "http://json-schema.org/draft-04/schema#",
  "title" : "Error Schema",
  "type" : "object",
  "properties" : {
    "message" : { "type" : "string" }
  }
}""",
    ),
}


def default_models(api: RestApi, ids: Ids) -> list[Model]:
    return [
        Model(
            account=api.account,
            region=api.region,
            rest_api_id=api.id,
            id=ids.lower(6),
            name=name,
            content_type="application/json",
            description=description,
            schema=schema,
        )
        for name, (description, schema) in _DEFAULTS.items()
    ]
