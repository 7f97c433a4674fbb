// worker_threads: messages, shared memory with Atomics.wait, transfer, termination.
const { Worker, isMainThread, parentPort, workerData, MessageChannel } = require('worker_threads');
const { once } = require('events');

if (!isMainThread) {
  const cells = new Int32Array(workerData.shared);
  if (workerData.spin) for (;;) Atomics.add(cells, 2, 1);
  Atomics.wait(cells, 0, 0);  // until the main thread opens the gate
  for (let i = 0; i < 1000; i++) Atomics.add(cells, 1, 1);
  parentPort.on('message', (m) => {
    m.port.postMessage(workerData.id * m.factor);
    m.port.close();
    parentPort.close();
  });
  parentPort.postMessage('ready');
} else {
  (async () => {
    const shared = new SharedArrayBuffer(16);
    const cells = new Int32Array(shared);
    const workers = [1, 2, 3].map((id) => new Worker(__filename, { workerData: { shared, id } }));
    await Promise.all(workers.map((w) => once(w, 'online')));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const ready = Promise.all(workers.map((w) => once(w, 'message')));
    Atomics.store(cells, 0, 1);
    Atomics.notify(cells, 0);
    console.log('ready', (await ready).flat(), Atomics.load(cells, 1));
    const exits = Promise.all(workers.map((w) => once(w, 'exit')));  // before they can exit
    const answers = await Promise.all(workers.map(async (w) => {
      const { port1, port2 } = new MessageChannel();
      w.postMessage({ port: port2, factor: 10 }, [port2]);
      return (await once(port1, 'message'))[0];
    }));
    console.log('answers', answers);
    console.log('exits', await exits);
    console.log('timed wait', Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30));
    const spinner = new Worker(__filename, { workerData: { shared, spin: true } });
    await once(spinner, 'online');
    await new Promise((resolve) => setTimeout(resolve, 100));
    console.log('terminated', await spinner.terminate(), Atomics.load(cells, 2) > 0);
    const bad = new Worker('throw new TypeError("thrown")', { eval: true });
    console.log('error', (await once(bad, 'error'))[0].message);
  })();
}
