// An origin that notes what it is asked, to the last header: a line of JSON per request in
// DIRECTORY/heads.log. Answers with the last part of the path.
//
// usage: node heads.js DIRECTORY HTTP_PORT HTTPS_PORT ADDRESS...
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');

const [directory, port, securePort, ...addresses] = process.argv.slice(2);

function answer(request, response) {
  const { method, url, rawHeaders, socket: { remotePort } } = request;
  fs.appendFileSync(`${directory}/heads.log`, JSON.stringify({ method, url, headers: rawHeaders, connection: remotePort }) + '\n');
  const content = url.split('?')[0].split('/').pop();
  request.resume().on('end', () => {
    response.setHeader('Content-Length', content.length);
    response.end(content);
  });
}

const pem = (name) => fs.readFileSync(`${directory}/certificates/server.${name}`);
for (const address of addresses) {
  for (const [server, at] of [[http.createServer(answer), port],
                              [https.createServer({ cert: pem('pem'), key: pem('key') }, answer), securePort]]) {
    server.keepAliveTimeout = 60_000;
    server.listen(Number(at), address);
  }
}
