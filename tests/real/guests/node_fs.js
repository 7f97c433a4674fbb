// fs promises, streams, a watcher and the thread pool (crypto, zlib, dns of a literal).
const fs = require('fs/promises');
const { createReadStream, createWriteStream } = require('fs');
const { pipeline } = require('stream/promises');
const path = require('path');
const zlib = require('zlib');
const crypto = require('crypto');
const { promisify } = require('util');
const net = require('net');
const { once } = require('events');

(async () => {
  const dir = await fs.mkdtemp(path.join(process.env.TMPDIR, 'x'));
  const file = path.join(dir, 'file');
  await fs.writeFile(file, 'hello\n'.repeat(100000));
  console.log((await fs.stat(file)).size);
  await fs.appendFile(file, 'end');
  const handle = await fs.open(file, 'r+');
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(5), 0, 5, 6);
  console.log(bytesRead, buffer.toString());
  await handle.truncate(12);
  await handle.sync();
  await handle.close();
  console.log(JSON.stringify(await fs.readFile(file, 'utf8')));
  await Promise.all(Array.from({ length: 50 }, (_, i) => fs.writeFile(path.join(dir, `f${i}`), `${i}`)));
  const names = (await fs.readdir(dir)).sort();
  const sum = (await Promise.all(names.filter((n) => /^f\d/.test(n)).map((n) =>
    fs.readFile(path.join(dir, n), 'utf8')))).reduce((a, b) => a + Number(b), 0);
  console.log(names.length, sum);
  await fs.access(path.join(dir, 'missing')).catch((e) => console.log(e.code, e.syscall));
  await fs.writeFile(path.join(dir, 'big'), Buffer.alloc(1 << 20, 'abc'));
  await pipeline(createReadStream(path.join(dir, 'big')), zlib.createGzip(),
    createWriteStream(path.join(dir, 'gz')));
  const back = await promisify(zlib.gunzip)(await fs.readFile(path.join(dir, 'gz')));
  console.log('gzip', back.equals(Buffer.alloc(1 << 20, 'abc')));
  const keys = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((s) =>
    promisify(crypto.pbkdf2)(s, 'salt', 1000, 8, 'sha256')));
  console.log(keys.map((k) => k.toString('hex')).join(' '));
  const server = net.createServer((s) => s.pipe(s)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = net.connect(server.address().port, '127.0.0.1');
  socket.end('round trip');
  console.log((await once(socket, 'data'))[0].toString());
  server.close();
  await fs.rm(dir, { recursive: true });
})();
