// node's undici. Takes the same options as the other peers, and prints the same line.
const fs = require("node:fs");
const { parseArgs } = require("node:util");
const { Agent, request } = require("undici");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    requests: { type: "string" }, concurrency: { type: "string", default: "1" }, upload: { type: "string", default: "0" },
    body: { type: "string" }, ca: { type: "string" }, new: { type: "boolean" }, resume: { type: "boolean" },
  },
});
const url = positionals[0];
const size = Number(values.body);
const upload = Number(values.upload) ? Buffer.alloc(Number(values.upload), "x") : undefined;
const connect = values.ca ? { ca: fs.readFileSync(values.ca), maxCachedSessions: values.new && !values.resume ? 0 : 100 } : {};
// Without pipelining, each request closes its connection.
const dispatcher = new Agent({ connect, connections: Number(values.concurrency), pipelining: values.new ? 0 : 1 });

async function once() {
  const response = await request(url, { dispatcher, method: upload ? "POST" : "GET", body: upload });
  const body = await response.body.arrayBuffer();
  if (response.statusCode !== 200 || body.byteLength !== size) throw new Error("another response");
}

async function run(requests) {
  const latencies = [];
  let left = requests;
  const worker = async () => {
    while (left-- > 0) {
      const begin = process.hrtime.bigint();
      await once();
      latencies.push(Number(process.hrtime.bigint() - begin) / 1000);
    }
  };
  await Promise.all(Array.from({ length: Number(values.concurrency) }, worker));
  return latencies;
}

function worked(cpu) {
  return cpu.user + cpu.system;
}

async function main() {
  const requests = Number(values.requests);
  // At least a second of work: code that runs often is compiled by then, and more than twice as fast.
  do await run(Math.max(Math.floor(requests / 10), 2 * Number(values.concurrency)));
  while (worked(process.cpuUsage()) < 1e6);
  const cpu = process.cpuUsage();
  const begin = process.hrtime.bigint();
  const latencies = (await run(requests)).sort((a, b) => a - b);
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  const used = process.cpuUsage(cpu);
  console.log(JSON.stringify({
    rate: requests / seconds, cpu_us: worked(used) / requests,
    p50_us: latencies[latencies.length >> 1], p99_us: latencies[Math.floor(0.99 * (latencies.length - 1))],
  }));
  await dispatcher.close();
}

main().catch((error) => { console.error(error.message); process.exit(1); });
