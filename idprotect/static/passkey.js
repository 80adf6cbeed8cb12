// Web Authentication: the one thing of ours that needs a script. The form's code becomes what the browser answers.
"use strict";

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

// What the server wrote as base64url (RFC 4648 section 5), browsers take as bytes; the newest read it themselves.
function readable(options) {
  const descriptors = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));
  const read = { ...options, challenge: bytes(options.challenge) };
  if (options.user) {
    read.user = { ...options.user, id: bytes(options.user.id) };
    read.excludeCredentials = descriptors(options.excludeCredentials);
  } else {
    read.allowCredentials = descriptors(options.allowCredentials);
  }
  return read;
}

function answered(credential) {
  const response = { clientDataJSON: text(credential.response.clientDataJSON) };
  if (credential.response.attestationObject) {
    response.attestationObject = text(credential.response.attestationObject);
    response.transports = credential.response.getTransports ? credential.response.getTransports() : [];
  } else {
    response.authenticatorData = text(credential.response.authenticatorData);
    response.signature = text(credential.response.signature);
  }
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    clientExtensionResults: {},
    response,
  });
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const say = (which) => {
    for (const banner of form.querySelectorAll("[role=alert]")) banner.hidden = !banner.matches(which);
  };
  let asking = false;
  form.querySelector("[data-plain]").remove();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asking) return;
    if (!navigator.credentials || !window.PublicKeyCredential) return say("[data-unable]");
    asking = true;
    say("[data-none]");
    try {
      const publicKey = readable(JSON.parse(form.dataset.options));
      form.elements.code.value = answered(await navigator.credentials[form.dataset.passkey]({ publicKey }));
      form.submit();
    } catch (error) {
      say(error.name === "InvalidStateError" ? "[data-known]" : "[data-refused]");
    } finally {
      asking = false;
    }
  });
}
