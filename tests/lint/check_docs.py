#!/usr/bin/env python3
"""Documents: every relative link in *.md leads somewhere; every decision record has its three headings."""
import re
import sys
import urllib.parse

import tree

CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.S | re.M)
LINK = re.compile(r"\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|^\[[^\]\n]+\]:\s*(\S+)", re.M)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.M)
ADR_HEADINGS = ("Context", "Options", "Decision")
ADR_NAME = re.compile(r"^(\d{4})-[a-z0-9-]+\.md$")


def without_code(text):
    return CODE.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def anchors(text):
    """The names by which GitHub lets one link to the headings of a document."""
    text = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.S | re.M)
    names = set()
    for heading in HEADING.findall(text):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        copy, number = slug, 0
        while copy in names:
            number += 1
            copy = f"{slug}-{number}"
        names.add(copy)
    return names


def check_links(root, path, text):
    prose = without_code(text)
    for match in LINK.finditer(prose):
        link = match[1] or match[2]
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        name, _, anchor = urllib.parse.unquote(link).partition("#")
        target = ((root / path).parent / name if name else root / path).resolve()
        where = f"{path}:{tree.line_of(prose, match.start())}"
        if not target.is_relative_to(root) or not target.exists():
            yield f"{where}: the link leads nowhere: {link}"
        elif anchor and target.suffix == ".md":
            if anchor not in anchors(target.read_text(encoding="utf-8")):
                yield f"{where}: no such heading: {link}"


def check_adr(path, text):
    if not ADR_NAME.match(path.name):
        yield f"{path}:1: a decision record is named NNNN-what-it-decides.md"
    have = {heading.split()[0].rstrip(":").capitalize() for heading in HEADING.findall(text) if heading}
    for heading in ADR_HEADINGS:
        if heading not in have:
            yield f"{path}:1: a decision record needs the heading {heading}"


def main():
    root = tree.root_argument()
    errors, numbers = [], {}
    for path in tree.files(root, {".md"}):
        text = tree.read(root, path)
        errors += check_links(root, path, text)
        if path.parts[:2] == ("docs", "adr") and path.name != "README.md":
            errors += check_adr(path, text)
            other = numbers.setdefault(path.name[:4], path)
            if other != path:
                errors.append(f"{path}:1: the number is taken by {other.name}")
    return tree.report("check_docs", errors)


if __name__ == "__main__":
    sys.exit(main())
