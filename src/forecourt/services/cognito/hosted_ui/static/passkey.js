// The one script of these pages: the browser's passkey dialogue. Options stand in the form, the answer goes back in it.
"use strict";
const form = document.querySelector("form[data-passkey]");
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function ask() {
  const options = JSON.parse(form.dataset.passkey);
  options.challenge = bytes(options.challenge);
  for (const key of [...(options.allowCredentials || []), ...(options.excludeCredentials || [])]) key.id = bytes(key.id);
  const creating = Boolean(options.user);
  if (creating) options.user.id = bytes(options.user.id);
  const credential = creating
    ? await navigator.credentials.create({ publicKey: options })
    : await navigator.credentials.get({ publicKey: options });
  const answer = credential.response;
  const response = { clientDataJSON: text(answer.clientDataJSON) };
  if (creating) {
    response.attestationObject = text(answer.attestationObject);
    response.transports = answer.getTransports ? answer.getTransports() : [];
  } else {
    response.authenticatorData = text(answer.authenticatorData);
    response.signature = text(answer.signature);
    response.userHandle = answer.userHandle ? text(answer.userHandle) : null;
  }
  form.elements.credential.value = JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  });
  form.submit();
}

const failed = () => { document.getElementById("passkey-failed").hidden = false; };
form.addEventListener("submit", (event) => { event.preventDefault(); ask().catch(failed); });
ask().catch(failed);
