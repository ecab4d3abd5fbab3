// Takes locks with the clients that Node has for them and prints what they left in Redis, as JSON:
// [{client, version, key, type, ttl in ms, value in base64}, …]. It is kept in node_locks.json, for the tests, which
// need no Node so. To make it again, with an empty Redis or Valkey of its own on the port given:
//
//   npm install --no-save redlock@4 redlock-5@npm:redlock@5.0.0-beta.2 ioredis@5 bullmq@5
//   node node_locks.mjs 6399 > node_locks.json

import { createRequire } from 'node:module';
import Redis from 'ioredis';
import Redlock from 'redlock';
import Redlock5 from 'redlock-5';
import { Queue, Worker } from 'bullmq';

const port = Number(process.argv[2]);
const version = (name) => createRequire(import.meta.url)(`./node_modules/${name}/package.json`).version;
const redis = new Redis({ port, maxRetriesPerRequest: null });
const seen = new Set();

async function left(client, name) {
  const made = [];
  for (const key of (await redis.keys('*')).filter((each) => !seen.has(each)).sort()) {
    seen.add(key);
    const type = await redis.type(key);
    const value = type === 'string' ? (await redis.getBuffer(key)).toString('base64') : null;
    made.push({ client, version: version(name), key, type, ttl: await redis.pttl(key), value });
  }
  return made;
}

const found = [];
await new Redlock([redis]).lock('locks:account:322', 60000);
found.push(...(await left('redlock', 'redlock')));
await new (Redlock5.default ?? Redlock5)([redis]).acquire(['locks:account:323', 'locks:account:324'], 60000);
found.push(...(await left('redlock', 'redlock-5')));

const queue = new Queue('mail', { connection: redis });
await queue.add('send', { to: 'a@example.org' });
const started = Promise.withResolvers ? Promise.withResolvers() : deferred();
const worker = new Worker('mail', () => new Promise(() => started.resolve()), {
  connection: new Redis({ port, maxRetriesPerRequest: null }),
});
await started.promise;
found.push(...(await left('bullmq', 'bullmq')));
console.log(JSON.stringify(found, null, 1));
process.exit(0);

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => { made.resolve = resolve; });
  return made;
}
