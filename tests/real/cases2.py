"""More rows for the table of cases.py: Go, and crowds of threads and timers."""

GO = '/usr/lib/go-1.19/bin/go'


def rows(case):
    def guest(name, *args, **options):
        return case(f'{name}-{"-".join(args)}' if args else name, [f'{{build}}/{name}', *args],
                    **options)

    return [
        guest('go-runtime', needs={GO: 'golang-1.19-go'}, timeout=70),
        # Ten thousand stacks, taken from memory only where they are touched; the peak is on stderr.
        guest('many-threads', '1000', '100'),
        guest('many-threads', '10000', '3600000', times=('virtual',), limits={'virtual': 60},
              expected=b'started 10000\njoined 10000, slept long enough 10000\n'),
        guest('many-timerfds', '3'),
        guest('many-timerfds', '10000', times=('virtual',), limits={'virtual': 60},
              expected=b'fired 9000, closed 1000, out of order 0, wrong 0\nnone left: 0\n'),
    ]
