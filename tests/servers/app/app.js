// The pages that the servers serve, on Node's http server: one of the servers under test, and, without a
// generation, what those that only pass requests on have behind them. A primary process holds the
// port and one worker answers, as in Node's own `cluster`, so that SIGHUP can reload: the new worker
// serves before the old one goes.
//
// usage: node app.js PORT DIRECTORY [GENERATION_FILE KEEP_ALIVE_SECONDS HINT MAX_REQUESTS]
// An empty HINT sends none.
//
// Each request's token is noted in DIRECTORY/arrivals.log as soon as its head is in. As a server
// under test it also keeps DIRECTORY/access.log.
'use strict';
const cluster = require('cluster');
const fs = require('fs');
const http = require('http');

const [port, directory, generationFile, keepAlive, hint, maxRequests] = process.argv.slice(2);
const generation = generationFile && fs.readFileSync(generationFile, 'utf8').trim();
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function bodyOf(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}

async function answer(server, request, response) {
  const [, path, token] = request.url.split('/');
  if (token) fs.appendFileSync(`${directory}/arrivals.log`, `${request.method} ${token}\n`);
  const content = request.method === 'POST' ? await bodyOf(request) : token || path;
  if (path === 'slow') await pause(1000);
  // Node leaves two things to the application: to end the connections of a server that closes, and to send no hint.
  if (!server.listening) response.setHeader('Connection', 'close');
  else if (hint === '') response.setHeader('Connection', 'keep-alive');
  if (path === 'chunked' || path === 'close' || path === 'old') {
    if (path === 'close') response.removeHeader('Transfer-Encoding');  // The end is where the connection ends.
    for (let i = 0; i < 20; ++i) {
      response.write(content);
      if (i % 5 === 0) await pause(1);  // So that it is not all in one segment.
    }
    response.end();
  } else {
    response.setHeader('Content-Length', content.length);
    response.end(content);
  }
}

function work() {
  const server = http.createServer((request, response) => {
    const { socket: { remotePort }, method, url } = request;
    if (generation) {
      response.setHeader('X-Generation', generation);
      response.on('finish', () => fs.appendFileSync(
        `${directory}/access.log`, `${remotePort} ${method} ${url} ${response.statusCode}\n`));
    }
    answer(server, request, response).catch(() => request.socket.destroy());
  });
  server.keepAliveTimeout = 1000 * Number(keepAlive || 60);
  server.maxRequestsPerSocket = Number(maxRequests || 0);
  cluster.worker.on('disconnect', () => process.exit(0));
  process.on('SIGTERM', () => {});  // It is the primary's to act upon.
  server.listen(Number(port), '127.0.0.1');
}

function lead() {
  cluster.fork();
  process.on('SIGHUP', () => {
    const old = Object.values(cluster.workers);
    cluster.fork().once('listening', () => old.forEach((worker) => worker.disconnect()));
  });
  process.on('SIGTERM', () => cluster.disconnect(() => process.exit(0)));
}

if (cluster.isPrimary) lead(); else work();
