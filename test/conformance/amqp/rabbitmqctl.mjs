#!/usr/bin/env node
// Stands in for RabbitMQ's `rabbitmqctl` where a client's tests call it: the one command that they use, carried out by the management API.
import { totalmem } from 'node:os';

const base = process.env.DUOLOG_MANAGEMENT_URL ?? 'http://localhost:15672';
const headers = { authorization: `Basic ${Buffer.from('guest:guest').toString('base64')}` };

/** @param {string} path @param {RequestInit} [init] */
async function call(path, init) {
  const response = await fetch(`${base}/api${path}`, { ...init, headers });
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`);
  return response;
}

const [command, value] = process.argv.slice(2);
if (command !== 'set_vm_memory_high_watermark' || !(Number(value) > 0)) {
  process.stderr.write(`rabbitmqctl here knows set_vm_memory_high_watermark FRACTION, and not ${command} ${value}\n`);
  process.exit(64);
}
const nodes = await (await call('/nodes')).json();
const bytes = Math.round(totalmem() * Number(value));
const body = JSON.stringify({ bytes });
await call(`/nodes/${encodeURIComponent(nodes[0].name)}/memory-limit`, { method: 'PUT', body });
