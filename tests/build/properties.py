#!/usr/bin/python3
"""Compares the table of tests/README.md with the tests: each of the 78 properties stands there once, in
order, with every file that names it and no other; one without a test says which feature it waits for.
With --write the table's lists of files are brought up to date."""

import re
import sys
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TABLE = TESTS / "README.md"
ROW = re.compile(r"^\| (\d+) \| (.+) \| (.*) \|$", re.MULTILINE)
COUNT = 78


def properties_in_tests():
    """By file: the numbers in the titles of its test cases, of its cases of hostile responses, or in a script's comments."""
    named = defaultdict(set)
    for path in TESTS.glob("*/*_test.cpp"):
        for title in re.findall(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', path.read_text()):
            for number in re.findall(r"\[(\d+)\]", title):
                named[int(number)].add(str(path.relative_to(TESTS)))
    cases = "support/hostile_cases.hpp"
    for number in re.findall(r"(?:add\(\{|refused\()(\d+),", (TESTS / cases).read_text()):
        named[int(number)].add(cases)
    for path in (TESTS / "build").iterdir():
        for number in re.findall(r"^# .*\[(\d+)\]", path.read_text(), re.MULTILINE):
            named[int(number)].add(str(path.relative_to(TESTS)))
    return named


def write(named):
    def row(match):
        number, what, where = match.groups()
        words = re.sub(r"`[^`]+`(, )?", "", where)
        paths = ", ".join(f"`{path}`" for path in sorted(named[int(number)]))
        return f"| {number} | {what} | {', '.join(filter(None, (paths, words)))} |"

    TABLE.write_text(ROW.sub(row, TABLE.read_text()))


def main():
    problems = []
    named = properties_in_tests()
    if sys.argv[1:] == ["--write"]:
        write(named)
    rows = ROW.findall(TABLE.read_text())
    if [int(number) for number, *_ in rows] != list(range(1, COUNT + 1)):
        problems.append(f"the table does not have the rows 1 to {COUNT}, in order")
    waiting = 0
    for number, _, where in rows:
        listed, real = set(re.findall(r"`([^`]+)`", where)), named.pop(int(number), set())
        for path in sorted(listed - real):
            problems.append(f"{number}: {path} does not name it")
        for path in sorted(real - listed):
            problems.append(f"{number}: {path} names it, and is not listed")
        if not listed:
            waiting += 1
            if not re.search(r"with [a-z]+", where):
                problems.append(f"{number}: neither a test nor the feature that it waits for")
    problems += [f"{sorted(paths)}: {number} is no property" for number, paths in named.items()]
    print(*problems, f"{len(rows)} properties, {waiting} of them wait for a feature", sep="\n")
    return 1 if problems else 0


sys.exit(main())
