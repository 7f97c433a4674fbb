"""asyncio: sleeps, time-outs, queues, streams over loopback, a thread, subprocesses, a signal."""
import asyncio
import os
import signal
import sys
import time


async def sleeps():
    order = []

    async def one(delay):
        await asyncio.sleep(delay)
        order.append(delay)

    await asyncio.gather(*(one(d) for d in (0.3, 0.1, 0.2, 0)))
    print('sleep order', order)
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.05)
    except asyncio.TimeoutError:
        print('timed out')


async def streams():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]

    async def client(n):
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        got = []
        for i in range(20):
            writer.write(b'client %d line %d\n' % (n, i))
            got.append(await reader.readline())
        writer.write_eof()
        rest = await reader.read()
        writer.close()
        await writer.wait_closed()
        return got == [b'CLIENT %d LINE %d\n' % (n, i) for i in range(20)] and rest == b''

    print('clients', await asyncio.gather(*(client(n) for n in range(5))))
    server.close()
    await server.wait_closed()
    try:
        await asyncio.open_connection('127.0.0.1', port)
    except ConnectionRefusedError as error:
        print('refused', error.errno)


async def big_transfer():
    """More than any socket buffer holds, so that both ends have to wait."""
    size = 4 << 20

    async def serve(reader, writer):
        writer.write(await reader.readexactly(size))
        await writer.drain()
        writer.close()

    path = os.path.join(os.environ['TMPDIR'], 'socket')
    server = await asyncio.start_unix_server(serve, path, limit=1 << 16)
    reader, writer = await asyncio.open_unix_connection(path)
    data = bytes(range(256)) * (size // 256)
    writer.write(data)
    print('echoed', await reader.readexactly(size) == data)
    writer.close()
    server.close()


async def processes():
    process = await asyncio.create_subprocess_exec(
        sys.executable, '-c', 'import sys; print(sys.stdin.read()[::-1]); sys.exit(3)',
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate(b'abcdef')
    print('process', out, process.returncode)
    process = await asyncio.create_subprocess_shell('sleep 100')
    process.terminate()
    print('terminated', await process.wait())
    many = await asyncio.gather(*(asyncio.create_subprocess_exec('/bin/sh', '-c', f'exit {n}')
                                  for n in range(4)))
    print('many', [await p.wait() for p in many])


async def rest():
    loop = asyncio.get_running_loop()
    print('executor', await loop.run_in_executor(None, lambda: time.sleep(0.05) or 'slept'))
    got = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR1, got.set_result, 'USR1')
    os.kill(os.getpid(), signal.SIGUSR1)
    print('signal', await asyncio.wait_for(got, 5))
    queue = asyncio.Queue(2)

    async def produce():
        for i in range(10):
            await queue.put(i)

    task = asyncio.create_task(produce())
    print('queue', [await queue.get() for _ in range(10)])
    await task


async def main():
    for part in (sleeps, streams, big_transfer, processes, rest):
        await part()


asyncio.run(main())
