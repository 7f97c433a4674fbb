"""threading and queue: locks, conditions, events, semaphores, barriers, timers, a pool."""
import concurrent.futures
import queue
import threading
import time

total, lock = 0, threading.Lock()


def add(n):
    global total
    for _ in range(n):
        with lock:
            total += 1


threads = [threading.Thread(target=add, args=(2000,)) for _ in range(8)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print('total', total)

work, done = queue.Queue(maxsize=4), queue.Queue()


def worker():
    while (item := work.get()) is not None:
        done.put(item * item)
        work.task_done()
    work.task_done()


pool = [threading.Thread(target=worker) for _ in range(3)]
for t in pool:
    t.start()
for i in range(100):
    work.put(i)
for _ in pool:
    work.put(None)
work.join()
for t in pool:
    t.join()
print('squares', sorted(done.queue) == [i * i for i in range(100)])

try:
    queue.Queue().get(timeout=0.05)
except queue.Empty:
    print('get timed out')
print('try lock', lock.acquire(), lock.acquire(timeout=0.05), lock.acquire(blocking=False))
lock.release()

event, seen = threading.Event(), []
waiters = [threading.Thread(target=lambda: seen.append(event.wait(10))) for _ in range(4)]
for t in waiters:
    t.start()
print('event', event.wait(0.02))
event.set()
for t in waiters:
    t.join()
print('woken', seen)

condition, state = threading.Condition(), []


def ping(me):
    for _ in range(200):
        with condition:
            condition.wait_for(lambda: len(state) % 2 == me)
            state.append(me)
            condition.notify_all()


pair = [threading.Thread(target=ping, args=(i,)) for i in range(2)]
for t in pair:
    t.start()
for t in pair:
    t.join()
print('ping-pong', state == [0, 1] * 200)

barrier, ranks = threading.Barrier(5, timeout=10), []
team = [threading.Thread(target=lambda: ranks.append(barrier.wait())) for _ in range(5)]
for t in team:
    t.start()
for t in team:
    t.join()
print('barrier', sorted(ranks))

inside, most, gate = 0, 0, threading.BoundedSemaphore(2)


def enter():
    global inside, most
    with gate:
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.01)
        with lock:
            inside -= 1


team = [threading.Thread(target=enter) for _ in range(6)]
for t in team:
    t.start()
for t in team:
    t.join()
print('semaphore', most <= 2, inside)

fired = []
timers = [threading.Timer(delay, fired.append, (delay,)) for delay in (0.3, 0.1, 0.2)]
for t in timers:
    t.start()
for t in timers:
    t.join()
print('timers', fired)

local = threading.local()
local.x = 1
with concurrent.futures.ThreadPoolExecutor(4) as executor:
    print('pool', list(executor.map(lambda x: (hasattr(local, 'x'), x * 3), range(5))))
    late = executor.submit(time.sleep, 0.2)
    try:
        late.result(timeout=0.05)
    except concurrent.futures.TimeoutError:
        print('future timed out')
print('active', threading.active_count())
