"""Counts the cases of a test program and ends it as all of ours end: with "N passed, N failed"."""


class Verdicts:
    def __init__(self):
        self.passed = self.failed = 0

    def case(self, name, problem):
        """One case: `problem` says in words what is wrong; empty (or None, or False) if nothing is."""
        if not problem:
            self.passed += 1
            return
        self.failed += 1
        print(f'FAILED {name}: {problem}', flush=True)

    def end(self):
        """Prints the last line; the exit status."""
        print(f'{self.passed} passed, {self.failed} failed')
        return 1 if self.failed else 0
