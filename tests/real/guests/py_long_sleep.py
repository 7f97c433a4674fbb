"""Three threads that sleep an hour each: virtual time only."""
import threading
import time

wall, mono = time.time(), time.monotonic()
threads = [threading.Thread(target=time.sleep, args=(3600,)) for _ in range(3)]
for t in threads:
    t.start()
for i, t in enumerate(threads):
    t.join()
    print('sleeper', i)
print('slept at least an hour each:', all(3600 <= x < 3700 for x in (time.time() - wall,
                                                                     time.monotonic() - mono)))
