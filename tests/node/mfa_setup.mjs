// Amplify where a pool demands MFA and the user has no second factor: it lets him choose, and sets up an address.
import { Amplify } from "aws-amplify";
import * as auth from "aws-amplify/auth";

const [endpoint, poolId, clientId] = process.argv.slice(2);
Amplify.configure({
  Auth: { Cognito: { userPoolId: poolId, userPoolClientId: clientId, userPoolEndpoint: endpoint } },
});
const steps = [];
const note = ({ nextStep }) => steps.push(nextStep.signInStep);
const mailed = async (to) => {
  const { messages } = await (await fetch(`${endpoint}/_forecourt/mailbox`)).json();
  return messages.find((message) => message.To === to).Code;
};

note(await auth.signIn({ username: "anna", password: "Correct-horse-1" }));
note(await auth.confirmSignIn({ challengeResponse: "EMAIL" }));
note(await auth.confirmSignIn({ challengeResponse: "setup@example.com" }));
note(await auth.confirmSignIn({ challengeResponse: await mailed("setup@example.com") }));
const attributes = await auth.fetchUserAttributes();
console.log(JSON.stringify({ steps, email: attributes.email, verified: attributes.email_verified }));
process.exit(0);
