// npm's soupbintcp client on two pipes: commands come as JSON lines on stdin, what happens goes out as JSON lines on stdout. It adds nothing of its own.
//   node soup_client.js <folder of node_modules> <host> <port>
//   {"login":{username,password,requestedSession,requestedSequenceNumber}}  {"send":"<hex>"}  {"logout":true}  {"end":true}
'use strict';

const path = require('path');
const readline = require('readline');

const [modules, host, port] = process.argv.slice(2);
const soupbintcp = require(path.join(modules, 'soupbintcp'));

const say = (event) => process.stdout.write(JSON.stringify(event) + '\n');
const client = new soupbintcp.Client({ host, port: Number(port) });

client.on('connect', () => say({ connect: true }));
client.on('accept', (payload) => say({ accept: payload }));
client.on('reject', (payload) => say({ reject: payload }));
client.on('message', (payload) => say({ message: payload.toString('hex') }));
client.on('ending', () => say({ ending: true }));
client.on('error', (error) => say({ error: String(error) }));
client.on('end', () => {
  say({ end: true });
  client.end();
});

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.login)
    client.login(command.login);
  else if (command.send)
    client.send(Buffer.from(command.send, 'hex'));
  else if (command.logout)
    client.logout();
  else
    client.end();
}).on('close', () => client.end());
