#!/usr/bin/python3
"""Checks that every header of detail/ has a test: `NAME_test.cpp` or `ROOM_NAME_test.cpp`, which includes it, or a row
in the table of tests/README.md that says where it is tested and why there."""

import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
DETAIL = TESTS.parent / "include" / "ferry" / "detail"
ROW = re.compile(r"^\| `detail/(\w+)/` \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)


def included(path):
    """The headers that a test includes, itself or through those of support/."""
    text = path.read_text()
    found = set(re.findall(r"#include <ferry/detail/(.+)>", text))
    for name in re.findall(r'#include "(support/.+)"', text):
        found |= included(TESTS / name)
    return found


def mirror(header):
    """The test of this header's name, or None."""
    room, name = header.removesuffix(".hpp").split("/")
    for test in (f"{name}_test.cpp", f"{room}_{name}_test.cpp"):
        for path in sorted(TESTS.glob(f"*/{test}")):
            if header in included(path):
                return path.relative_to(TESTS)
    return None


def problems():
    headers = {str(path.relative_to(DETAIL)) for path in DETAIL.rglob("*.hpp")}
    listed = set()
    for room, names, where, _ in ROW.findall((TESTS / "README.md").read_text()):
        for name in names.split(", "):
            header = f"{room}/{name}.hpp"
            if header not in headers:
                yield f"the table names detail/{header}, which is not there"
            elif header in listed:
                yield f"the table names detail/{header} twice"
            elif test := mirror(header):
                yield f"the table names detail/{header}, which has a test of its name: {test}"
            listed.add(header)
        files = re.findall(r"`(.+?)`", where)
        if not files:
            yield f"the row of detail/{room}/{names} names no test"
        for file in files:
            if not (TESTS / file).exists():
                yield f"the table names {file}, which is not there"
    for header in headers - listed:
        if not mirror(header):
            yield f"detail/{header} has neither a test of its name nor a row in the table of tests/README.md"


found = sorted(problems())
print("\n".join(found) or "each header of detail/ has a test")
sys.exit(1 if found else 0)
