// Sends requests to the API and signs them (AWS Signature Version 4), with fetch and WebCrypto only: it runs in
// browsers and in Node 20. Part of a generated client; it knows no API.
(function (root) {
  "use strict";

  const encoder = new TextEncoder();

  const hex = (buffer) => Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

  const sha256 = async (text) => hex(await root.crypto.subtle.digest("SHA-256", encoder.encode(text)));

  async function hmac(key, text) {
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const imported = await root.crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
    return new Uint8Array(await root.crypto.subtle.sign("HMAC", imported, encoder.encode(text)));
  }

  const quote = (text) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (char) => "%" + char.charCodeAt(0).toString(16).toUpperCase());

  // `/pets/{id}` with its variables filled in; a greedy one (`{proxy+}`) keeps its slashes.
  function expand(path, parameters) {
    return path.replace(/\{([^}+]+)(\+?)\}/g, (whole, name, greedy) => {
      if (parameters[name] === undefined) throw new Error("missing path parameter: " + name);
      const value = String(parameters[name]);
      return greedy ? value.split("/").map(quote).join("/") : quote(value);
    });
  }

  // Sorted, as a signature wants it. An array is a parameter that comes several times.
  function queryString(query) {
    const pairs = Object.entries(query)
      .filter(([, value]) => value !== undefined && value !== null)
      .flatMap(([name, value]) => [].concat(value).map((item) => quote(name) + "=" + quote(String(item))));
    return pairs.length ? "?" + pairs.sort().join("&") : "";
  }

  async function sign(config, request) {
    const url = new URL(request.url);
    const stamp = new Date().toISOString().replace(/[:-]|\.\d{3}/g, "");
    const scope = [stamp.slice(0, 8), config.region, "execute-api", "aws4_request"].join("/");
    const added = { "x-amz-date": stamp };
    if (config.sessionToken) added["x-amz-security-token"] = config.sessionToken;
    const signed = { host: url.host, ...added };
    for (const [name, value] of Object.entries(request.headers)) signed[name.toLowerCase()] = String(value).trim();
    const names = Object.keys(signed).sort();
    const canonical = [
      request.method,
      url.pathname.split("/").map(quote).join("/"),
      url.search.slice(1),
      ...names.map((name) => name + ":" + signed[name]),
      "",
      names.join(";"),
      await sha256(request.body || ""),
    ].join("\n");
    let key = encoder.encode("AWS4" + config.secretKey);
    for (const part of scope.split("/")) key = await hmac(key, part);
    const toSign = ["AWS4-HMAC-SHA256", stamp, scope, await sha256(canonical)].join("\n");
    const credential = "Credential=" + config.accessKey + "/" + scope;
    const proof = hex(await hmac(key, toSign));
    const authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(";")}, Signature=${proof}`;
    return { ...request.headers, ...added, authorization };
  }

  async function answerOf(response) {
    const text = await response.text();
    let data = text;
    try {
      data = JSON.parse(text);
    } catch (error) {
      // Not JSON: the text is the answer.
    }
    return { status: response.status, headers: Object.fromEntries(response.headers), data };
  }

  // `operation`: method, path, names of its path, query and header parameters, and whether it is signed.
  async function send(config, operation, params, body, additionalParams) {
    const more = additionalParams || {};
    const given = params || {};
    const pick = (names) => Object.fromEntries(names.filter((n) => given[n] !== undefined).map((n) => [n, given[n]]));
    const path = expand(operation.path, given);
    const query = queryString({ ...pick(operation.querystring), ...(more.queryParams || {}) });
    const headers = { accept: config.defaultAcceptType || "application/json" };
    Object.assign(headers, pick(operation.header), more.headers || {});
    const request = { method: operation.method === "ANY" ? more.method || "GET" : operation.method };
    if (body !== undefined && body !== null) {
      request.body = typeof body === "string" ? body : JSON.stringify(body);
      headers["content-type"] = headers["content-type"] || config.defaultContentType || "application/json";
    }
    if (config.apiKey) headers["x-api-key"] = config.apiKey;
    request.url = config.endpoint.replace(/\/$/, "") + path + query;
    request.headers = headers;
    if (operation.sign && config.accessKey) request.headers = await sign(config, request);
    const response = await fetch(request.url, request);
    const answer = await answerOf(response);
    if (!response.ok) throw Object.assign(new Error("HTTP " + response.status), { response: answer });
    return answer;
  }

  const runtime = { send, expand, queryString };
  if (typeof module === "object" && module.exports) module.exports = runtime;
  else root.apigRuntime = runtime;
})(globalThis);
