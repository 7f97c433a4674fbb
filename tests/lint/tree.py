"""What the lints share: which files there are, C++ text without comments, how findings are printed."""
import argparse
import os
import pathlib
import re
import subprocess
import sys

TOKEN = re.compile(
    r"""(?P<raw>R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)")
      | (?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<char>(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+')""",
    re.S | re.X,
)


def strip(text, keep_strings=False):
    """`text` with comments (and the insides of literals) blanked; line numbers stay as they are."""

    def blank(match):
        token = match[0]
        if match["comment"]:
            return re.sub(r"[^\n]", " ", token)
        if keep_strings:
            return token
        return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]

    return TOKEN.sub(blank, text)


def root_argument():
    """Parses the one argument that every lint takes, --root DIR (default: this repository)."""
    parser = argparse.ArgumentParser()
    here = pathlib.Path(__file__).resolve().parents[2]
    parser.add_argument("--root", type=pathlib.Path, default=here)
    return parser.parse_args().root.resolve()


def files(root, suffixes, under=()):
    """Files that git tracks or would add, sorted, as paths relative to `root`; all of them without git."""
    command = ["git", "-C", str(root), "ls-files", "-z", "-co", "--exclude-standard"]
    # As a git hook, git names the repository in the environment; `root` may be another tree.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listing = subprocess.run(command, capture_output=True, check=False, env=environment)
    if listing.returncode == 0:
        paths = [pathlib.Path(name) for name in listing.stdout.decode().split("\0") if name]
    else:
        paths = [path.relative_to(root) for path in root.rglob("*")]
    return sorted(
        path
        for path in set(paths)
        if path.suffix in suffixes and (not under or path.parts[0] in under) and (root / path).is_file()
    )


def read(root, path):
    return (root / path).read_text(encoding="utf-8", errors="replace")


def report(name, errors, warnings=()):
    """Prints findings; returns the exit status."""
    for line in warnings:
        print(f"{line} (warning)")
    for line in errors:
        print(line)
    if errors:
        print(f"{name}: {len(errors)} error(s)")
    return 1 if errors else 0


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


if __name__ == "__main__":
    sys.exit("tree.py is a module of the lints")
