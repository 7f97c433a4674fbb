// child_process: spawn, exec, execFile, fork with messages, time-outs, signals, the sync forms.
const cp = require('child_process');
const { once } = require('events');
const { promisify } = require('util');

if (process.argv[2] === 'child') {
  process.on('message', (m) => {
    process.send({ doubled: m.value * 2 });
    process.disconnect();
    process.exitCode = 3;
  });
} else {
  (async () => {
    console.log(await promisify(cp.exec)('echo out; echo err >&2'));
    await promisify(cp.execFile)('/bin/sh', ['-c', 'exit 6']).catch((e) => console.log('code', e.code));
    const cat = cp.spawn('cat');
    let got = '';
    cat.stdout.on('data', (d) => { got += d; });
    cat.stdin.end('x'.repeat(300000));
    console.log('cat', await once(cat, 'close'), got.length);
    const [error] = await once(cp.spawn('/no/such/program'), 'error');
    console.log(error.code, error.syscall);
    const sleeper = cp.spawn('sleep', ['100']);
    setTimeout(() => sleeper.kill('SIGTERM'), 50);
    console.log('sleeper', await once(sleeper, 'exit'));
    const slow = cp.exec('sleep 100', { timeout: 100 });
    console.log('slow', await once(slow, 'exit'));
    const child = cp.fork(__filename, ['child']);
    child.send({ value: 21 });
    console.log((await once(child, 'message'))[0], await once(child, 'exit'));
    console.log(cp.execFileSync('sort', ['-r'], { input: 'a\nb\nc\n' }).toString().split('\n'));
    const sync = cp.spawnSync('sh', ['-c', 'kill -9 $$']);
    console.log(sync.status, sync.signal);
    console.log(cp.spawnSync('sleep', ['100'], { timeout: 100 }).error.code);
    process.on('SIGUSR2', () => { console.log('got SIGUSR2'); clearInterval(alive); });
    const alive = setInterval(() => {}, 1000);
    process.kill(process.pid, 'SIGUSR2');
  })();
}
