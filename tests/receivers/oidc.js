// A certified OpenID provider with the client credentials grant, and a target that takes its tokens.
//
// Usage: oidc.js revoke|expire. Prints its port, then a JSON line per token request at /token and per
// POST at /hook. With `revoke`, the target has each token revoked, by the provider's own endpoint, once
// it has served seven POSTs; with `expire`, tokens end two seconds after they are issued.

const http = require("http");

const [, , mode] = process.argv;
const CLIENT = { client_id: "postrider", client_secret: "s3cret: with/odd+ signs" };
const USES = 7;

const tell = (line) => console.log(JSON.stringify(line));

function read(request) {
  return new Promise((resolve) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => resolve(Buffer.concat(chunks)));
  });
}

async function main() {
  // By its path: an import does not look where NODE_PATH says, and this module can only be imported.
  const { Provider } = await import(require.resolve("oidc-provider"));
  const server = http.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(origin, {
    clients: [
      {
        ...CLIENT,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        token_endpoint_auth_method: "client_secret_post",
      },
    ],
    features: {
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: false },
    },
    scopes: ["events"],
    ttl: { ClientCredentials: mode === "expire" ? 2 : 3600 },
  });
  const revoke = (token) =>
    fetch(`${origin}/token/revocation`, {
      method: "POST",
      body: new URLSearchParams({ ...CLIENT, token }),
    });

  const names = new Map();
  const uses = new Map();
  async function hook(request, response) {
    const body = await read(request);
    const [scheme, token] = (request.headers.authorization ?? "").split(" ");
    const found = scheme === "Bearer" && (await provider.ClientCredentials.find(token));
    const status = found?.isValid && found.scope === "events" ? 200 : 401;
    if (!names.has(token)) names.set(token, names.size);
    if (status === 200) {
      uses.set(token, (uses.get(token) ?? 0) + 1);
      if (mode === "revoke" && uses.get(token) === USES) await revoke(token);
    }
    response.writeHead(status, { "Content-Length": "0" }).end();
    const events = JSON.parse(body).filter((event) => Object.keys(event.msys).length > 0).length;
    tell({ hook: status, token: names.get(token), events });
  }

  const answer = provider.callback();
  server.on("request", (request, response) => {
    if (request.url === "/hook") return hook(request, response);
    if (request.url === "/token") {
      const type = request.headers["content-type"];
      response.on("finish", () => tell({ token_request: response.statusCode, type }));
    }
    answer(request, response);
  });
  console.log(server.address().port);
}

main();
