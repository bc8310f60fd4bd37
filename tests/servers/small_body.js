// Node's http server with its defaults, answering with a small body. Told to end, it prints how
// many connections carried a request and how many of them it closed itself: those that closed
// without the client's FIN ('end') before.
'use strict';
const http = require('http');

const carried = new Set();
let closed = 0;

const server = http.createServer((request, response) => {
  carried.add(request.socket);
  response.end('hello\n');
});

server.on('connection', (socket) => {
  let clientEnded = false;
  socket.on('end', () => { clientEnded = true; });
  socket.on('close', () => { if (!clientEnded && carried.has(socket)) ++closed; });
});

process.on('SIGTERM', () => {
  console.log(JSON.stringify({ opened: carried.size, closed }));
  process.exit(0);
});

server.listen(Number(process.argv[2]), '127.0.0.1');
