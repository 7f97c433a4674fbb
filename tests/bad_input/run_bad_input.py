#!/usr/bin/env python3
"""Bad input: what detent refuses, and guests that misbehave. Exit codes, messages, and no hang.

    run_bad_input.py --detent PATH --guest PATH --static-guest PATH --without-call PATH [CASE...]

Where Linux has an answer of its own, it is asked first, and detent must give the same. Ends with the line
"N passed, N failed"; the exit status is 0 if none failed.
"""
import argparse
import os
import re
import resource
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time

TIMEOUT = 60
NOBODY = 65534
FINE = 42
USAGE, DEADLOCK, INTERNAL, CANNOT_RUN, NOT_FOUND = 2, 123, 125, 126, 127
EM_386, EM_ARM, EM_X86_64, EM_AARCH64 = 3, 40, 62, 183
SYS_SECCOMP, SYS_CLOSE_RANGE = 317, 436
EPERM, EINVAL, ENOSYS = 1, 22, 38
# What a bug of detent's own looks like.
CRASH = re.compile(r'internal error|assertion failed|terminate called')


class Failure(Exception):
    pass


class Result:
    def __init__(self, command, status, stdout, stderr):
        self.command, self.status = command, status
        self.stdout = stdout.decode(errors='replace')
        self.stderr = stderr.decode(errors='replace')

    def fail(self, why):
        command = ' '.join(shlex.quote(word) for word in self.command)
        raise Failure(f'{why}\n    {command}\n    status {self.status}\n    stdout {self.stdout[-500:]!r}'
                      f'\n    stderr {self.stderr[-1500:]!r}')

    def expect(self, status, *patterns):
        if CRASH.search(self.stderr):
            self.fail('detent tells of a bug of its own')
        if self.status != status:
            self.fail(f'expected status {status}')
        for pattern in patterns:
            if not re.search(pattern, self.stderr):
                self.fail(f'expected {pattern!r} on stderr')
        return self


def run(command, **options):
    """Runs to the end. A negative status is a signal. What is left of the session is killed."""
    options.setdefault('cwd', '/')
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   start_new_session=True, **options)
        status = None
        try:
            status = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
        kill_session(process.pid)
        process.wait()
        out.seek(0)
        err.seek(0)
        result = Result(command, status, out.read(), err.read())
    if status is None:
        result.fail(f'still running after {TIMEOUT} s')
    return result


def kill_session(leader):
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


def session_members(leader):
    members = []
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            with open(f'/proc/{name}/stat', encoding='utf-8', errors='replace') as file:
                fields = file.read().rpartition(')')[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] not in 'ZX':
            members.append(int(name))
    return members


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


class World:
    """Paths, and the ways to run something under detent and natively."""

    def __init__(self, options, directory):
        self.detent_path = os.path.abspath(options.detent)
        self.guest = os.path.abspath(options.guest)
        self.static_guest = os.path.abspath(options.static_guest)
        self.without_call = os.path.abspath(options.without_call)
        self.deadlock_after_fork = os.path.abspath(options.deadlock_after_fork)
        self.directory = directory

    def path(self, name):
        return os.path.join(self.directory, name)

    def file(self, name, content, mode=0o755):
        path = self.path(name)
        with open(path, 'wb') as file:
            file.write(content)
        os.chmod(path, mode)
        return path

    def command(self, *guest, flags=()):
        return [self.detent_path, 'run', *flags, '--', *guest]

    def detent(self, *guest, flags=(), **options):
        return run(self.command(*guest, flags=flags), **options)

    def same(self, *guest, times=('real', 'virtual'), **options):
        """The guest ends in the same way, with the same output, natively and under detent."""
        native = run(list(guest), **options)
        for time_mode in times:
            emulated = self.detent(*guest, flags=[f'--time={time_mode}'], **options)
            emulated.expect(native.status)
            if emulated.stdout != native.stdout:
                emulated.fail(f'expected stdout {native.stdout!r}')
        return native

    def fine(self, *arguments, **options):
        self.same(self.guest, *arguments, **options).expect(FINE)


def as_user(uid):
    return {'user': uid, 'group': uid, 'extra_groups': []} if os.getuid() == 0 else {}


def may_raise_limits():
    with open('/proc/self/status', encoding='ascii') as file:
        capabilities = int(re.search(r'^CapEff:\s*(\w+)', file.read(), re.M)[1], 16)
    return bool(capabilities >> 24 & 1)  # CAP_SYS_RESOURCE


def elf(machine, bits=64, kind=2, size=None):
    """An ELF header and one program header of nothing."""
    ident = b'\x7fELF' + bytes([bits // 32, 1, 1, 0]) + bytes(8)
    if bits == 64:
        header = struct.pack('<HHIQQQIHHHHHH', kind, machine, 1, 0x401000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        data = ident + header + struct.pack('<IIQQQQQQ', 1, 5, 0, 0x400000, 0, 4096, 4096, 4096)
    else:
        header = struct.pack('<HHIIIIIHHHHHH', kind, machine, 1, 0x8049000, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        data = ident + header + struct.pack('<IIIIIIII', 1, 0, 0x8048000, 0, 4096, 4096, 5, 4096)
    return data if size is None else data[:size]


# ---- files that cannot be run ----

@case
def not_a_program(world):
    for name, content in {'text': b'hello\n' * 99, 'empty': b'', 'zeros': bytes(5000), 'magic': b'\x7fELF',
                          'hash': b'#'}.items():
        world.detent(world.file(name, content)).expect(CANNOT_RUN, 'not an ELF file')


@case
def wrong_architecture(world):
    for name, machine, bits in (('i386', EM_386, 32), ('aarch64', EM_AARCH64, 64), ('arm', EM_ARM, 32)):
        path = world.file(name, elf(machine, bits))
        world.detent(path).expect(CANNOT_RUN, f'an ELF file for {name}; detent runs x86-64')
    short = world.file('short', elf(EM_386, 32, size=52))
    world.detent(short).expect(CANNOT_RUN, 'an ELF file for i386')
    x32 = world.file('x32', elf(EM_X86_64, 32))
    world.detent(x32).expect(CANNOT_RUN, 'an ELF file for x32')
    world.detent(world.file('object', elf(EM_X86_64, kind=1))).expect(CANNOT_RUN, 'not a program')


@case
def missing_interpreter(world):
    with open(world.guest, 'rb') as file:
        content = file.read()
    real = b'/lib64/ld-linux-x86-64.so.2'
    gone = world.file('interpreter', content.replace(real, b'/lib64/ld-linux-x86-64.so.X'))
    world.detent(gone).expect(CANNOT_RUN, r'its interpreter /lib64/ld-linux-x86-64\.so\.X cannot be opened')
    script = world.file('script', b'#!/no/such/interpreter -x\n')
    world.detent(script).expect(CANNOT_RUN, 'its interpreter /no/such/interpreter cannot be opened')
    world.same(world.guest, 'exec-errors', gone, script)


@case
def scripts_that_go_in_circles(world):
    path = world.path('circle')
    world.file('circle', f'#!{path}\n'.encode())
    world.detent(path).expect(CANNOT_RUN, 'symbolic links|interpreter')
    blank = world.file('blank', b'#!   \n')
    world.detent(blank).expect(CANNOT_RUN)
    world.same(world.guest, 'exec-errors', path, blank)


@case
def no_permission(world):
    plain = world.file('plain', b'#!/bin/true\n', 0o644)
    world.detent(plain).expect(CANNOT_RUN, 'Permission denied')
    os.chmod(world.directory, 0o755)
    with open('/bin/true', 'rb') as file:
        unreadable = world.file('unreadable', file.read(), 0o711)
    world.detent(unreadable, **as_user(NOBODY)).expect(
        CANNOT_RUN if os.getuid() == 0 else 0, *(['cannot be read'] if os.getuid() == 0 else []))
    private = world.path('private')
    os.mkdir(private, 0o700)
    if os.getuid() == 0:
        world.detent(private + '/x', **as_user(NOBODY)).expect(CANNOT_RUN, 'Permission denied')


@case
def set_uid(world):
    if os.getuid() != 0:
        return
    with open('/bin/true', 'rb') as file:
        path = world.file('setuid', file.read())
    os.chmod(world.directory, 0o755)
    for mode, owner, user in ((0o4755, NOBODY, 0), (0o2755, NOBODY, 0), (0o4755, 0, NOBODY)):
        os.chown(path, owner, owner)
        os.chmod(path, mode)
        world.detent(path, **as_user(user)).expect(CANNOT_RUN, 'set-uid and set-gid programs cannot run')
    os.chown(path, NOBODY, NOBODY)
    os.chmod(path, 0o4755)
    world.detent(path, **as_user(NOBODY)).expect(0)


@case
def directories_and_devices(world):
    for path in ('/', '/tmp/', world.directory, '/dev/null'):
        world.detent(path).expect(CANNOT_RUN, 'cannot run')
    world.detent('/bin/true/x').expect(CANNOT_RUN, 'Not a directory')
    world.same(world.guest, 'exec-errors', '/', world.directory, '/dev/null', '/bin/true/x', '/no/such', '')


@case
def truncated_programs(world):
    """Cut anywhere in the first 2 KiB: an error or Linux's own end, never a hang or a crash of ours."""
    for source in (world.guest, world.static_guest):
        with open(source, 'rb') as file:
            content = file.read(2048)
        for size in range(0, 2049, 64):
            path = world.file(f'cut{size}', content[:size])
            result = world.detent(path)
            if CRASH.search(result.stderr):
                result.fail('detent tells of a bug of its own')
            if result.status == CANNOT_RUN or result.status == INTERNAL:
                result.expect(result.status, 'cannot (run|load)')
            elif result.status not in (-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGKILL):
                result.fail('an unexpected end')


# ---- the command line ----

@case
def usage_errors(world):
    for arguments, pattern in (
            ([], 'subcommand is required'), (['run'], 'expected a program'), (['run', '--'], 'expected a program'),
            (['run', '/bin/true'], 'not expected'), (['run', '--', ''], 'name is empty'),
            (['run', '--no-such', '--', '/bin/true'], 'no-such'), (['fly'], 'fly|subcommand'),
            (['run', '--time=never', '--', '/bin/true'], '--time=never: expected real, virtual or scaled:K'),
            (['run', '--time', '--', '/bin/true'], '--time'),
            *((['run', f'--time=scaled:{k}', '--', '/bin/true'], 'expected scaled:K')
              for k in ('', '0', '-1', 'nan', 'inf', '1x', '1e9')),
            *((['run', f'--seed={seed}', '--', '/bin/true'], 'seed')
              for seed in ('x', '', '18446744073709551616', '1.5', '-1')),
            (['run', '--strategy=best', '--', '/bin/true'], 'expected fifo, random'),
            (['run', '--syscall-cost=5', '--', '/bin/true'], 'expected a span'),
            (['run', '--io-grace=-1ms', '--', '/bin/true'], 'expected a span'),
            (['run', '--strace=/no/such/dir/file', '--', '/bin/true'], 'No such file'),
            (['run', '--strace=/tmp', '--', '/bin/true'], 'Is a directory')):
        run([world.detent_path, *arguments]).expect(USAGE, pattern)


@case
def empty_argv(world):
    world.same(world.guest, 'exec-empty-argv').expect(FINE)


@case
def look_up_in_path(world):
    os.chmod(world.directory, 0o755)
    bin_dir, other = world.path('bin'), world.path('other')
    for directory in (bin_dir, other, world.path('other/tool')):
        os.mkdir(directory)
    world.file('bin/tool', b'#!/bin/sh\necho found\n')
    world.file('bin/plain', b'#!/bin/sh\n', 0o644)
    world.file('here', b'#!/bin/sh\necho here\n')

    def env(path):
        return {'env': {'PATH': path}, 'cwd': world.directory}

    world.detent('no-such-tool').expect(NOT_FOUND, 'no-such-tool: No such file')
    world.detent('/no/such/tool').expect(NOT_FOUND, 'No such file')
    world.detent('plain', **env(bin_dir)).expect(CANNOT_RUN, 'Permission denied')
    world.detent('here', **env(bin_dir)).expect(NOT_FOUND, 'No such file')
    for name, path, output in (('tool', f'/nonexistent:{other}:{bin_dir}', 'found\n'),
                               ('here', f'{bin_dir}:', 'here\n'), ('here', f':{bin_dir}', 'here\n'),
                               ('./here', bin_dir, 'here\n')):
        result = world.detent(name, **env(path)).expect(0)
        if result.stdout != output:
            result.fail(f'expected {output!r}')


@case
def boot_variable_of_a_user(world):
    """The variables that detent uses inside are just variables if a person sets them."""
    for value in ('3:/bin/true', '0:', '', 'x', '-1:x', '99999999999999999999:x'):
        variables = {'DETENT_BOOT': value, 'DETENT_PAD': ''}
        world.same('/usr/bin/env', env=variables)
        run([world.detent_path, '--version'], env=variables).expect(0)
    # As the very first variables, with an fd that is open.
    probe = f'exec env -i DETENT_BOOT=0:x DETENT_PAD= {world.detent_path} --version </bin/true'
    run(['/bin/sh', '-c', probe]).expect(0)


# ---- the machine does not offer what is needed ----

@case
def no_seccomp(world):
    for error in (EPERM, EINVAL, ENOSYS):
        run([world.without_call, str(SYS_SECCOMP), str(error), *world.command('/bin/true')]).expect(
            INTERNAL, 'cannot install the seccomp filter', 'CONFIG_SECCOMP_FILTER', 'detent doctor')
    run([world.without_call, str(SYS_SECCOMP), str(EINVAL), world.detent_path, 'doctor']).expect(CANNOT_RUN)


@case
def kernel_too_old(world):
    old = [world.without_call, str(SYS_CLOSE_RANGE), str(ENOSYS)]
    run([*old, *world.command('/bin/true')]).expect(CANNOT_RUN, 'Linux 5.9 or newer')


@case
def few_fds_allowed(world):
    for limit in (64, 32, 16, 8):
        for user in ({}, as_user(NOBODY)):
            limits = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))}
            world.detent(world.guest, 'inherited-fd-limit', **limits, **user).expect(FINE)
    for limit in range(0, 8):
        limits = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))}
        result = run(world.command(world.static_guest, 'count-arguments'), **limits, **as_user(NOBODY))
        if result.status != FINE:
            result.expect(result.status, 'detent: .*(RLIMIT_NOFILE|Too many open files)')


@case
def little_memory_allowed(world):
    soft = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))}
    world.detent(world.guest, 'inherited-memory-limit', **soft).expect(FINE)
    world.same('/bin/sh', '-c', 'ulimit -v; ulimit -Hv', **soft)
    hard = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))}
    if may_raise_limits():
        world.detent(world.guest, 'inherited-memory-limit', **hard).expect(FINE)
    world.detent(world.guest, 'works', **hard, **as_user(NOBODY)).expect(CANNOT_RUN, 'RLIMIT_AS')
    tiny = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 26, 1 << 26))}
    world.detent(world.guest, 'works', **tiny, **as_user(NOBODY)).expect(CANNOT_RUN, 'RLIMIT_AS')


# ---- guests that misbehave ----

@case
def closes_every_fd(world):
    world.fine('close-loop')
    world.fine('close-ranges')


@case
def damages_its_memory(world):
    for how in ('unmap-others', 'protect-others', 'pkey-protect-others', 'discard-others'):
        world.same(world.static_guest, how).expect(FINE)
    for how in ('unmap-all', 'protect-all', 'unmap-wide'):
        world.same(world.static_guest, how).expect(-signal.SIGSEGV)


@case
def plays_with_sigsys(world):
    world.fine('sigsys-blocked')
    world.fine('sigsys-handled')
    world.same(world.guest, 'sigsys-default').expect(-signal.SIGSYS)


@case
def runs_out_of_fds(world):
    world.fine('out-of-fds')


@case
def runs_out_of_memory(world):
    world.fine('out-of-memory')


@case
def killed_in_the_middle(world):
    for mode in ('real', 'virtual'):
        command = world.command(world.guest, 'busy', flags=[f'--time={mode}'])
        process = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
        if process.stdout.readline() != b'busy\n':
            raise Failure('the guest did not start')
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        status = process.wait(TIMEOUT)
        left = session_members(process.pid)
        kill_session(process.pid)
        process.stdout.close()
        if status != -signal.SIGKILL or left:
            raise Failure(f'status {status}, processes left over: {left}')


@case
def deadlocks(world):
    for mode in ('real', 'virtual'):
        result = world.detent(world.guest, 'deadlock', flags=[f'--time={mode}'])
        result.expect(DEADLOCK, 'detent: deadlock: all 2 tasks wait')
        tasks = re.findall(r'^  task \d+ \((\S+)\): futex in futex, object 0x[0-9a-f]+, for [0-9.]+ s; '
                           r'held by task \d+ \(\1\)$',
                           result.stderr, re.M)
        if len(tasks) != 2:
            result.fail('expected two tasks with their calls')
        result = world.detent(world.guest, 'deadlock-read', flags=[f'--time={mode}'])
        result.expect(DEADLOCK, r'task \d+ \(\S+\): read in (read|eventfd)')


@case
def deadlocks_after_fork(world):
    for mode in ('real', 'virtual'):
        result = world.detent(world.deadlock_after_fork, 'child', flags=[f'--time={mode}'])
        result.expect(0, 'detent: deadlock: all 1 tasks wait')
        if result.stdout.strip() != str(DEADLOCK):
            result.fail(f'expected a child that ends with {DEADLOCK}')
        result = world.detent(world.deadlock_after_fork, 'parent', flags=[f'--time={mode}'])
        result.expect(DEADLOCK, 'detent: deadlock: all 1 tasks wait')


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('--detent', '--guest', '--static-guest', '--without-call', '--deadlock-after-fork'):
        parser.add_argument(name, required=True)
    parser.add_argument('cases', nargs='*')
    options = parser.parse_args()
    passed = failed = 0
    for name in options.cases or CASES:
        with tempfile.TemporaryDirectory(prefix='detent-bad-') as directory:
            try:
                CASES[name](World(options, directory))
                passed += 1
            except Failure as failure:
                failed += 1
                print(f'FAILED {name}: {failure}', flush=True)
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
