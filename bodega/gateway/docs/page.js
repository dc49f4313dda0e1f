"use strict";

const NEEDS_TOKEN = 401;

/** Fetch the API's document, or return undefined where the server wants a token, or another one. */
async function fetchDocument(token) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch("/openapi.json", { headers });
  if (answer.status === NEEDS_TOKEN) return undefined;
  if (!answer.ok) throw new Error(`/openapi.json: status ${answer.status}`);
  return answer.json();
}

/** Show the API; requests go to the server that the page came from, with the token if there is one. */
function show(api, token) {
  delete api.servers;
  if (!token) {
    delete api.security;
    delete api.components.securitySchemes;
  }
  const viewer = SwaggerUIBundle({
    spec: api,
    dom_id: "#api",
    deepLinking: true,
    defaultModelExpandDepth: 2,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    docExpansion: "list",
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => {
      if (token) viewer.preauthorizeApiKey("token", token);
      document.body.dataset.state = "shown";
    },
  });
}

/** Ask for the server's token until the right one is given. */
function askForToken() {
  const form = document.getElementById("ask");
  const refused = document.getElementById("refused");
  form.hidden = false;
  document.getElementById("token").focus();
  document.body.dataset.state = "asks";
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const token = document.getElementById("token").value;
    const api = await fetchDocument(token).catch(fail);
    if (api === undefined) {
      refused.textContent = "That is not the server's token.";
      return;
    }
    form.remove();
    show(api, token);
  });
}

function fail(error) {
  const place = document.getElementById("failed");
  place.textContent = `The API could not be shown. ${error.message}`;
  place.hidden = false;
  document.body.dataset.state = "failed";
}

function followColorScheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", apply);
  apply();
}

followColorScheme();
fetchDocument().then((api) => (api ? show(api) : askForToken())).catch(fail);
