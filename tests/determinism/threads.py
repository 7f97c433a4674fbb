"""Threads, timers, queues, hashes and random numbers: the output depends on all of them."""
import queue
import random
import threading
import time

log = []
tasks = queue.Queue()
started = time.monotonic()


def worker(name):
    while True:
        item = tasks.get()
        if item is None:
            return
        time.sleep(random.random() * 10)
        log.append(f'{name}{item}')


threads = [threading.Thread(target=worker, args=(name,)) for name in 'abcde']
for thread in threads:
    thread.start()
for number in range(30):
    tasks.put(number)
for thread in threads:
    tasks.put(None)
for thread in threads:
    thread.join()
print(' '.join(log))
print(random.random(), hash('text'), time.monotonic() - started, time.time())
print(list({'one', 'two', 'three', 'four'}), id(log))
