// Amplify remembers a device, signs in with it, and signs in by a one-time code. Prints what it saw as JSON.
import { Amplify } from "aws-amplify";
import * as auth from "aws-amplify/auth";

// Amplify asks the browser for the device's name.
globalThis.navigator ??= { userAgent: "node", platform: "node", vendor: "" };

const [endpoint, poolId, clientId] = process.argv.slice(2);
const PASSWORD = "Correct-horse-1";
const seen = {};
const mailed = async (to) => {
  const { messages } = await (await fetch(`${endpoint}/_forecourt/mailbox`)).json();
  return messages.find((message) => message.To === to).Code;
};
const device = async () => (await auth.fetchAuthSession()).tokens.accessToken.payload.device_key;

Amplify.configure({
  Auth: { Cognito: { userPoolId: poolId, userPoolClientId: clientId, userPoolEndpoint: endpoint } },
});
await auth.signIn({ username: "anna", password: PASSWORD });
const first = await device();
seen.listed = (await auth.fetchDevices()).map((one) => one.id);
seen.refreshed = (await auth.fetchAuthSession({ forceRefresh: true })).tokens.accessToken.payload.device_key === first;
await auth.rememberDevice();
await auth.signOut();
const again = await auth.signIn({ username: "anna", password: PASSWORD });
seen.again = again.nextStep.signInStep;
seen.same = [first, (await auth.fetchDevices())[0].id, await device()].every((key) => key && key === first);
await auth.forgetDevice();
seen.left = (await auth.fetchDevices()).length;
await auth.signOut();

const asked = await auth.signIn({
  username: "anna",
  options: { authFlowType: "USER_AUTH", preferredChallenge: "EMAIL_OTP" },
});
seen.asked = asked.nextStep.signInStep;
const done = await auth.confirmSignIn({ challengeResponse: await mailed("anna@example.com") });
seen.done = done.nextStep.signInStep;
console.log(JSON.stringify(seen));
process.exit(0);
