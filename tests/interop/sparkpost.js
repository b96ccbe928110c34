// The npm client `sparkpost`, driven line by line.
//
//   node sparkpost.js ORIGIN KEY
//
// A line of standard input is a call, ["webhooks.create", {"name": …}]; the line that answers it is
// {"body": …} or {"error": {"status": …, "message": …, "errors": […]}}.
const readline = require('readline');
const SparkPost = require('sparkpost');

const [origin, key] = process.argv.slice(2);
const client = new SparkPost(key, { origin });

async function call(name, args) {
  const [resource, method] = name.split('.');
  try {
    return { body: await client[resource][method](...args) };
  } catch (e) {
    return { error: { status: e.statusCode, message: e.message, errors: e.errors } };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [name, ...args] = JSON.parse(line);
    console.log(JSON.stringify(await call(name, args)));
  }
})();
