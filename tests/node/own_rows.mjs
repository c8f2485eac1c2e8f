// A browser's way: credentials of an identity pool for a user pool's token, then DynamoDB and an API that asks for IAM.
// Prints what was answered as JSON.
import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { fromCognitoIdentityPool } from "@aws-sdk/credential-providers";
import sha256 from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";

const { endpoint, region, identityPoolId, provider, token, table, other, api } = JSON.parse(process.argv[2]);

const credentials = fromCognitoIdentityPool({
  identityPoolId,
  logins: { [provider]: token },
  clientConfig: { endpoint, region },
});
const resolved = await credentials();
const rows = new DynamoDBClient({ endpoint, region, credentials });

const answer = async (command) => {
  try {
    const result = await rows.send(command);
    return result.Item?.text?.S ?? "done";
  } catch (error) {
    return error.name;
  }
};
const key = (owner) => ({ owner: { S: owner }, id: { S: "1" } });

const signer = new SignatureV4({ service: "execute-api", region, credentials, sha256: sha256.Sha256 });
const invoke = async (path, signed = true) => {
  const url = new URL(`${endpoint}/_aws/execute-api/${api}/prod${path}`);
  const plain = { method: "GET", protocol: url.protocol, hostname: url.hostname, port: Number(url.port), path: url.pathname };
  const request = { ...plain, query: {}, headers: { host: url.host } };
  const { headers } = signed ? await signer.sign(request) : request;
  const { host, ...sent } = headers;
  const response = await fetch(url, { headers: sent });
  return [response.status, await response.text()];
};

console.log(
  JSON.stringify({
    identity: resolved.identityId,
    own: await answer(new GetItemCommand({ TableName: table, Key: key(resolved.identityId) })),
    other: await answer(new GetItemCommand({ TableName: table, Key: key(other) })),
    write: await answer(new PutItemCommand({ TableName: table, Item: key(resolved.identityId) })),
    allowed: await invoke("/notes"),
    denied: await invoke("/secrets"),
    unsigned: await invoke("/notes", false),
  }),
);
