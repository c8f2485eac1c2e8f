"""The pets behind the API: an ordinary Lambda function that keeps them in an ordinary DynamoDB table.

Nothing in here knows of Forecourt: boto3 finds its address and credentials in the environment, as it does on AWS.
"""

import json
import os
import uuid
from decimal import Decimal

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


class BadPet(Exception):
    """The body is not a pet. The message says why."""


def handler(event, context):
    """Answers `GET` and `POST /pets`, and `GET`, `PUT` and `DELETE /pets/{petId}`."""
    operation = OPERATIONS[event["httpMethod"], event["resource"]]
    try:
        return operation(event)
    except BadPet as error:
        return respond(400, {"message": str(error)})


def list_pets(event):
    query = event["queryStringParameters"] or {}
    pets = table.scan()["Items"]
    if "type" in query:
        pets = [pet for pet in pets if pet["type"] == query["type"]]
    return respond(200, sorted(pets, key=lambda pet: pet["name"]))


def create_pet(event):
    pet = {"id": str(uuid.uuid4()), **pet_in(event)}
    table.put_item(Item=pet)
    return respond(201, pet, {"Location": f"{event['requestContext']['path']}/{pet['id']}"})


def get_pet(event):
    pet = table.get_item(Key=key_in(event)).get("Item")
    return respond(200, pet) if pet else not_found(event)


def replace_pet(event):
    if "Item" not in table.get_item(Key=key_in(event)):
        return not_found(event)
    pet = {**key_in(event), **pet_in(event)}
    table.put_item(Item=pet)
    return respond(200, pet)


def delete_pet(event):
    deleted = table.delete_item(Key=key_in(event), ReturnValues="ALL_OLD").get("Attributes")
    return respond(204, None) if deleted else not_found(event)


OPERATIONS = {
    ("GET", "/pets"): list_pets,
    ("POST", "/pets"): create_pet,
    ("GET", "/pets/{petId}"): get_pet,
    ("PUT", "/pets/{petId}"): replace_pet,
    ("DELETE", "/pets/{petId}"): delete_pet,
}


def pet_in(event):
    """The pet that the request's body describes."""
    try:
        body = json.loads(event["body"] or "", parse_float=Decimal)
        pet = {"name": body["name"], "type": body["type"], "price": body.get("price", 0)}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadPet("a pet is a JSON object with `name`, `type` and perhaps `price`") from None
    if not isinstance(pet["name"], str) or not isinstance(pet["type"], str):
        raise BadPet("`name` and `type` are strings")
    if not isinstance(pet["price"], (int, Decimal)) or pet["price"] < 0:
        raise BadPet("`price` is a number that is not negative")
    return pet


def key_in(event):
    return {"id": event["pathParameters"]["petId"]}


def not_found(event):
    return respond(404, {"message": f"there is no pet {event['pathParameters']['petId']}"})


def respond(status, body, headers=None):
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json", **(headers or {})},
        "body": "" if body is None else json.dumps(body, default=float),
    }
