"""subprocess: pipes, communicate with time-outs, missing programs, statuses, many at once."""
import os
import signal
import subprocess
import sys
import time

print(subprocess.run(['echo', 'hello'], capture_output=True, check=True).stdout)
print(subprocess.run('echo out; echo err >&2; exit 9', shell=True, capture_output=True))
big = b'0123456789abcdef' * 65536
print('through cat', subprocess.run(['cat'], input=big, stdout=subprocess.PIPE).stdout == big)

producer = subprocess.Popen(['seq', '1000'], stdout=subprocess.PIPE)
consumer = subprocess.Popen(['sort', '-rn'], stdin=producer.stdout, stdout=subprocess.PIPE)
producer.stdout.close()
print('pipeline', consumer.communicate()[0].split()[:3], producer.wait(), consumer.returncode)

process = subprocess.Popen(['sleep', '100'], stdout=subprocess.PIPE)
try:
    process.communicate(timeout=0.2)
except subprocess.TimeoutExpired as error:
    print('timed out', error.timeout)
print('poll', process.poll())
process.kill()
print('killed', process.wait(), process.communicate())
try:
    subprocess.run(['sleep', '100'], timeout=0.1)
except subprocess.TimeoutExpired:
    print('run timed out')



class Stop(Exception):
    pass


def stop(number, frame):
    raise Stop


signal.signal(signal.SIGALRM, stop)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    subprocess.run(['sleep', '100'])
except Stop:
    print('stopped by an alarm')

for bad in (['/no/such/program'], ['no-such-program'], ['/etc/passwd'], ['/']):
    try:
        subprocess.Popen(bad)
    except OSError as error:
        print(bad, type(error).__name__, error.errno, error.filename)
try:
    subprocess.run(['true'], cwd='/no/such/directory')
except OSError as error:
    print(type(error).__name__, error.filename)
print('preexec', subprocess.run(['/bin/sh', '-c', 'umask; pwd; echo $X'], cwd='/', env={'X': 'y'},
                                preexec_fn=lambda: os.umask(0o77), capture_output=True).stdout)
print('session', subprocess.run([sys.executable, '-c', 'import os; print(os.getsid(0)==os.getpid())'],
                                start_new_session=True, capture_output=True).stdout)
r, w = os.pipe()
os.set_inheritable(w, True)
subprocess.run(['/bin/sh', '-c', f'echo inherited >&{w}'], pass_fds=[w])
os.close(w)
print(os.read(r, 100), os.read(r, 100))

children = [subprocess.Popen([sys.executable, '-c', f'import time; time.sleep({n} / 50); exit({n})'])
            for n in range(5)]
print('statuses', [child.wait() for child in children])
for how in ('SIGTERM', 'SIGSEGV', 'SIGABRT', 'SIGKILL'):
    child = subprocess.run(['/bin/sh', '-c', f'kill -{how[3:]} $$'])
    print(how, signal.Signals(-child.returncode).name)
pid = os.fork()
if pid == 0:
    time.sleep(0.05)
    os._exit(17)
print('fork', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
try:
    os.waitpid(-1, 0)
except ChildProcessError as error:
    print('no children', error.errno)
print(subprocess.check_output([sys.executable, '-c', 'import subprocess as s, sys; sys.stdout.write('
                               's.check_output(["/bin/sh", "-c", "echo grandchild"], text=True))']))
