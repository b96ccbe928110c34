// A receiver that takes only what `standardwebhooks` (whsec_) or Node's own ed25519 (whpk_) verifies.
//
// Usage: signed.js KEY. Prints its port, then a JSON line per POST. The first POST of every batch but
// the test POST's is answered 503 although it verifies, so that each comes again.

const http = require("http");
const crypto = require("crypto");

const key = process.argv[2];
const TEST = "77c2b630-d712-11e4-9642-efc2723b99c1";
const seen = new Set();

function ed25519(body, headers) {
  const der = Buffer.concat([
    Buffer.from("302a300506032b6570032100", "hex"),
    Buffer.from(key.slice("whpk_".length), "base64"),
  ]);
  const publicKey = crypto.createPublicKey({ key: der, format: "der", type: "spki" });
  const message = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const ok = headers["webhook-signature"]
    .split(" ")
    .filter((signature) => signature.startsWith("v1a,"))
    .some((signature) =>
      crypto.verify(null, Buffer.from(message), publicKey, Buffer.from(signature.slice(4), "base64")),
    );
  if (!ok) throw new Error("no matching ed25519 signature");
  return JSON.parse(body);
}

function hmac(body, headers) {
  const { Webhook } = require("standardwebhooks");
  return new Webhook(key).verify(body, headers);
}

const verify = key.startsWith("whpk_") ? ed25519 : hmac;

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const { headers } = request;
    let events = 0;
    let error = "";
    try {
      events = verify(Buffer.concat(chunks).toString(), headers).length;
    } catch (fault) {
      error = String(fault);
    }
    const batch = headers["webhook-id"] ?? "";
    const status = error ? 401 : seen.has(batch) || batch === TEST ? 200 : 503;
    seen.add(batch);
    response.writeHead(status, { "Content-Length": "0" }).end();
    const same_id = batch === headers["x-messagesystems-batch-id"];
    const timestamp = Number(headers["webhook-timestamp"]);
    console.log(JSON.stringify({ status, error, events, batch, same_id, timestamp }));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
