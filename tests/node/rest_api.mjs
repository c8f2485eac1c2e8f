// The AWS SDK for JavaScript builds, deploys, calls and deletes a REST API and a function. Prints what it saw as JSON.
import {
  APIGatewayClient,
  CreateDeploymentCommand,
  DeleteRestApiCommand,
  GetRestApiCommand,
  ImportRestApiCommand,
} from "@aws-sdk/client-api-gateway";
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  DeleteFunctionCommand,
  InvokeCommand,
  LambdaClient,
} from "@aws-sdk/client-lambda";
import { readFileSync } from "node:fs";

const [endpoint, zip] = process.argv.slice(2);
const options = { endpoint, region: "eu-west-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } };
const apis = new APIGatewayClient(options);
const functions = new LambdaClient(options);
const seen = {};

const { FunctionArn } = await functions.send(
  new CreateFunctionCommand({
    FunctionName: "node-client",
    Runtime: "nodejs20.x",
    Handler: "index.handler",
    Role: "arn:aws:iam::000000000000:role/r",
    Code: { ZipFile: readFileSync(zip) },
  }),
);
await functions.send(
  new AddPermissionCommand({
    FunctionName: "node-client",
    StatementId: "api",
    Action: "lambda:InvokeFunction",
    Principal: "apigateway.amazonaws.com",
  }),
);
const invoked = await functions.send(
  new InvokeCommand({ FunctionName: "node-client", Payload: JSON.stringify({ path: "/direct" }) }),
);
seen.invoked = JSON.parse(new TextDecoder().decode(invoked.Payload));

const document = {
  openapi: "3.0.1",
  info: { title: "node-client", version: "1" },
  paths: {
    "/pets/{id}": {
      get: {
        responses: { 200: { description: "ok" } },
        "x-amazon-apigateway-integration": {
          type: "aws_proxy",
          httpMethod: "POST",
          uri: `arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${FunctionArn}/invocations`,
        },
      },
    },
  },
};
const { id } = await apis.send(new ImportRestApiCommand({ body: new TextEncoder().encode(JSON.stringify(document)) }));
await apis.send(new CreateDeploymentCommand({ restApiId: id, stageName: "dev" }));
const answer = await fetch(`${endpoint}/_aws/execute-api/${id}/dev/pets/7?colour=red`);
seen.called = { status: answer.status, type: answer.headers.get("content-type"), body: await answer.json() };

await apis.send(new DeleteRestApiCommand({ restApiId: id }));
seen.afterDelete = await apis.send(new GetRestApiCommand({ restApiId: id })).then(
  () => "still there",
  (error) => error.name,
);
await functions.send(new DeleteFunctionCommand({ FunctionName: "node-client" }));
console.log(JSON.stringify(seen));
