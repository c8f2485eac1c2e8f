"""Keeps pets in DynamoDB: POST /pets adds one, GET /pets lists them."""

import json
import os
import uuid

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event, context):
    if event["httpMethod"] == "POST":
        pet = {"id": str(uuid.uuid4()), "name": json.loads(event["body"])["name"]}
        table.put_item(Item=pet)
        return {"statusCode": 201, "body": json.dumps(pet)}
    return {"statusCode": 200, "body": json.dumps(table.scan()["Items"])}
