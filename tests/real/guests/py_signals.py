"""signal: alarms, interval timers, SIGCHLD, KeyboardInterrupt, sigwait, masks, wake-up fd."""
import os
import select
import signal
import socket
import subprocess
import threading
import time

seen = []


def note(number, frame):
    seen.append(signal.Signals(number).name)


signal.signal(signal.SIGALRM, note)
signal.alarm(1)
signal.pause()
print('alarm', seen)
seen.clear()
print('setitimer', signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02))
while len(seen) < 5:
    signal.pause()
left = signal.setitimer(signal.ITIMER_REAL, 0)
print('ticks', seen[:5], left[1])
seen.clear()

signal.setitimer(signal.ITIMER_REAL, 0.05)
before = time.monotonic()
time.sleep(0.3)  # goes on after the handler (PEP 475)
print('slept on', seen, time.monotonic() - before >= 0.299)
seen.clear()

signal.signal(signal.SIGCHLD, note)
process = subprocess.Popen(['sh', '-c', 'exit 4'])
while not seen:
    time.sleep(0.01)
print('child', seen, process.wait())
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
seen.clear()

try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
    print('not interrupted')
except KeyboardInterrupt:
    print('KeyboardInterrupt')
main = threading.get_ident()
threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
try:
    threading.Event().wait(10)
    print('not interrupted')
except KeyboardInterrupt:
    print('KeyboardInterrupt in a wait')


class Stop(Exception):
    pass


def stop(number, frame):
    raise Stop


signal.signal(signal.SIGALRM, stop)
for wait in (lambda: time.sleep(10), lambda: select.select([], [], [], 10),
             lambda: os.read(os.pipe()[0], 1), lambda: socket.create_server(('127.0.0.1', 0)).accept(),
             lambda: threading.Lock().acquire() and threading.Event().wait()):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        wait()
        print('not stopped')
    except Stop:
        print('stopped')

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
os.kill(os.getpid(), signal.SIGUSR1)
print('pending', sorted(signal.sigpending()))
print('sigwait', signal.sigwait([signal.SIGUSR1]), signal.sigwait([signal.SIGUSR2]))
print('timed', signal.sigtimedwait([signal.SIGUSR1], 0.05))
threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
print('waited', signal.sigwaitinfo([signal.SIGUSR1]).si_signo)
signal.signal(signal.SIGUSR1, note)
r, w = socket.socketpair()
w.setblocking(False)
signal.set_wakeup_fd(w.fileno())
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)
print('wake-up fd', r.recv(10), seen)

# A busy loop without system calls must be interrupted too.
signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    while True:
        pass
except Stop:
    print('busy loop stopped')
print(signal.strsignal(signal.SIGSEGV), signal.getsignal(signal.SIGTERM))
signal.signal(signal.SIGTERM, signal.SIG_DFL)
os.kill(os.getpid(), signal.SIGTERM)
print('not reached')
