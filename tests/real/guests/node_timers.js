// Timers of all kinds, in an order that the documentation promises.
const { setTimeout: sleep, setInterval: ticks } = require('timers/promises');
const { performance } = require('perf_hooks');

async function main() {
  for (const delay of [300, 100, 200]) setTimeout(() => console.log('timeout', delay), delay);
  setImmediate(() => console.log('immediate'));
  process.nextTick(() => console.log('next tick'));
  Promise.resolve().then(() => console.log('microtask'));
  const before = performance.now();
  await sleep(400);
  console.log('slept', performance.now() - before >= 399);
  let n = 0;
  for await (const value of ticks(10, 'tick')) {
    console.log(value, ++n);
    if (n === 5) break;
  }
  const cancelled = setTimeout(() => console.log('never'), 50);
  clearTimeout(cancelled);
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 20);
  await sleep(10000, null, { signal: controller.signal }).catch((e) => console.log(e.name));
  const order = [];
  await Promise.all(Array.from({ length: 200 }, (_, i) => sleep((i * 37) % 50 * 10).then(() => {
    order.push((i * 37) % 50);
  })));
  console.log('in order', order.every((x, i) => i === 0 || order[i - 1] <= x));
  setTimeout(() => console.log('unref: never'), 100000).unref();
  process.on('exit', (code) => console.log('exit', code));
  process.exitCode = 5;
}
main();
