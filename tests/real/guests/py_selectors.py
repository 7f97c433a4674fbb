"""selectors: every kind that Linux has, over pipes, sockets and time-outs."""
import os
import select
import selectors
import socket
import threading
import time

for kind in (selectors.SelectSelector, selectors.PollSelector, selectors.EpollSelector,
             selectors.DefaultSelector):
    with kind() as selector:
        print(kind.__name__)
        r, w = os.pipe()
        a, b = socket.socketpair()
        selector.register(r, selectors.EVENT_READ, 'pipe')
        selector.register(a, selectors.EVENT_READ | selectors.EVENT_WRITE, 'socket')
        print('  ready', [(k.data, m) for k, m in selector.select(0)])
        selector.modify(a, selectors.EVENT_READ, 'socket')
        before = time.monotonic()
        print('  idle', selector.select(0.05), time.monotonic() - before >= 0.049)

        def write():
            time.sleep(0.05)
            os.write(w, b'x')

        thread = threading.Thread(target=write)
        thread.start()
        print('  late', [(k.data, m) for k, m in selector.select(5)], os.read(r, 10))
        thread.join()
        b.send(b'hello')
        os.write(w, b'y')
        print('  both', sorted((k.data, m) for k, m in selector.select(5)))
        os.read(r, 10), a.recv(10)
        b.close()
        os.close(w)
        print('  closed', sorted((k.data, m) for k, m in selector.select(5)),
              os.read(r, 10), a.recv(10))
        a.close()
        os.close(r)

listener = socket.create_server(('127.0.0.1', 0))
port = listener.getsockname()[1]
selector = selectors.DefaultSelector()
listener.setblocking(False)
selector.register(listener, selectors.EVENT_READ)
answers = []


def ask(n):
    with socket.create_connection(('127.0.0.1', port), timeout=10) as s:
        s.sendall(b'%d' % n)
        answers.append(int(s.recv(100)))


clients = [threading.Thread(target=ask, args=(n,)) for n in range(10)]
for c in clients:
    c.start()
finished = 0
while finished < 10:
    for key, _ in selector.select(10):
        if key.fileobj is listener:
            selector.register(listener.accept()[0], selectors.EVENT_READ)
        elif data := key.fileobj.recv(100):
            key.fileobj.sendall(b'%d' % (int(data) * 2))
        else:
            selector.unregister(key.fileobj)
            key.fileobj.close()
            finished += 1
for c in clients:
    c.join()
print('answers', sorted(answers))

s = socket.socket()
s.bind(('127.0.0.1', 0))
s.listen()
s.settimeout(0.05)
try:
    s.accept()
except TimeoutError:
    print('accept timed out')
d = socket.socket(type=socket.SOCK_DGRAM)
d.bind(('127.0.0.1', 0))
d.settimeout(0.05)
try:
    d.recv(1)
except TimeoutError:
    print('recv timed out')
d.sendto(b'datagram', d.getsockname())
print(d.recvfrom(100)[0])
epoll = select.epoll()
print('empty epoll', epoll.poll(0.05), epoll.poll(0))
