// amazon-cognito-identity-js, Amplify and aws-jwt-verify against a user pool. Prints what they saw as JSON.
import { Amplify } from "aws-amplify";
import * as auth from "aws-amplify/auth";
import { AuthenticationDetails, CognitoUser, CognitoUserAttribute, CognitoUserPool } from "amazon-cognito-identity-js";
import { CognitoJwtVerifier } from "aws-jwt-verify";
import { createHmac } from "node:crypto";

const [endpoint, poolId, clientId] = process.argv.slice(2);
const PASSWORD = "Correct-horse-1";
const seen = {};

const call = (start) =>
  new Promise((resolve, reject) => start((error, result) => (error ? reject(error) : resolve(result))));
const mailed = async (to) => {
  const { messages } = await (await fetch(`${endpoint}/_forecourt/mailbox`)).json();
  return messages.find((message) => message.To === to).Code;
};
const totp = (secret, now) => {
  const bits = [...secret].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30)));
  const mac = createHmac("sha1", key).update(counter).digest();
  const number = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(number % 1000000).padStart(6, "0");
};
const now = Number(process.argv[5]);

// amazon-cognito-identity-js -------------------------------------------------------------------------------------------
const pool = new CognitoUserPool({ UserPoolId: poolId, ClientId: clientId, endpoint });
const email = "js@example.com";
const attribute = new CognitoUserAttribute({ Name: "email", Value: email });
const made = await call((done) => pool.signUp("js", PASSWORD, [attribute], [], done));
seen.confirmedAtOnce = made.userConfirmed;
const user = new CognitoUser({ Username: "js", Pool: pool });
await call((done) => mailed(email).then((code) => user.confirmRegistration(code, false, done)));
const signIn = (who, password, more = {}) =>
  new Promise((resolve, reject) =>
    who.authenticateUser(new AuthenticationDetails({ Username: who.getUsername(), Password: password }), {
      onSuccess: resolve,
      onFailure: reject,
      ...Object.fromEntries(Object.entries(more).map(([name, answer]) => [name, (...asked) => answer(resolve, reject, ...asked)])),
    }),
  );
const session = await signIn(user, PASSWORD);
seen.idToken = session.getIdToken().getJwtToken();
seen.accessToken = session.getAccessToken().getJwtToken();
const refreshed = await call((done) => user.refreshSession(session.getRefreshToken(), done));
seen.refreshed = refreshed.getAccessToken().getJwtToken() !== seen.accessToken;
seen.attributes = (await call((done) => user.getUserAttributes(done))).map((a) => a.getName()).sort();
await call((done) => user.changePassword(PASSWORD, "Another-one-2", done));
const secret = await new Promise((resolve, reject) =>
  user.associateSoftwareToken({ associateSecretCode: resolve, onFailure: reject }),
);
await new Promise((resolve, reject) =>
  user.verifySoftwareToken(totp(secret, now), "phone", { onSuccess: resolve, onFailure: reject }),
);
await call((done) => user.setUserMfaPreference(null, { Enabled: true, PreferredMfa: true }, done));
const again = new CognitoUser({ Username: "js", Pool: pool });
const second = await signIn(again, "Another-one-2", {
  totpRequired: (resolve, reject) =>
    again.sendMFACode(totp(secret, now + 30), { onSuccess: resolve, onFailure: reject }, "SOFTWARE_TOKEN_MFA"),
});
seen.mfa = Boolean(second.getAccessToken().getJwtToken());
await new Promise((resolve, reject) => again.globalSignOut({ onSuccess: resolve, onFailure: reject }));
const invited = new CognitoUser({ Username: "invited", Pool: pool });
const changed = await signIn(invited, "Temporary-1", {
  newPasswordRequired: (resolve, reject) =>
    invited.completeNewPasswordChallenge(PASSWORD, {}, { onSuccess: resolve, onFailure: reject }),
});
seen.newPassword = Boolean(changed.getIdToken().getJwtToken());

// Amplify --------------------------------------------------------------------------------------------------------------
Amplify.configure({
  Auth: { Cognito: { userPoolId: poolId, userPoolClientId: clientId, userPoolEndpoint: endpoint } },
});
const address = "amplify@example.com";
await auth.signUp({ username: "amplify", password: PASSWORD, options: { userAttributes: { email: address } } });
await auth.confirmSignUp({ username: "amplify", confirmationCode: await mailed(address) });
const step = await auth.signIn({ username: "amplify", password: PASSWORD });
seen.amplify = step.nextStep.signInStep;
const tokens = (await auth.fetchAuthSession({ forceRefresh: true })).tokens;
seen.amplifyUser = tokens.idToken.payload["cognito:username"];
seen.amplifyAttributes = Object.keys(await auth.fetchUserAttributes()).sort();
await auth.updatePassword({ oldPassword: PASSWORD, newPassword: "Another-one-2" });
await auth.signOut({ global: true });

// aws-jwt-verify -------------------------------------------------------------------------------------------------------
const keys = await (await fetch(`${endpoint}/${poolId}/.well-known/jwks.json`)).json();
for (const [use, token] of [["id", seen.idToken], ["access", seen.accessToken]]) {
  const verifier = CognitoJwtVerifier.create({ userPoolId: poolId, clientId, tokenUse: use });
  verifier.cacheJwks(keys);
  seen[`verified_${use}`] = (await verifier.verify(token)).sub;
}
console.log(JSON.stringify(seen));
process.exit(0);
