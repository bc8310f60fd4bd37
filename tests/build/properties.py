#!/usr/bin/python3
"""Compares the table of tests/README.md with the tests: each of the 63 properties stands there once, in
order, with every file that names it and no other; one without a test says which feature it waits for."""

import re
import sys
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
COUNT = 63


def properties_in_tests():
    """By file: the numbers in the titles of its test cases, or of its cases of hostile responses."""
    named = defaultdict(set)
    for path in TESTS.glob("*/*_test.cpp"):
        for title in re.findall(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', path.read_text()):
            for number in re.findall(r"\[(\d+)\]", title):
                named[int(number)].add(str(path.relative_to(TESTS)))
    cases = "support/hostile_cases.hpp"
    for number in re.findall(r"(?:add\(\{|refused\()(\d+),", (TESTS / cases).read_text()):
        named[int(number)].add(cases)
    return named


def main():
    problems = []
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.*) \|$", (TESTS / "README.md").read_text(), re.MULTILINE)
    if [int(number) for number, *_ in rows] != list(range(1, COUNT + 1)):
        problems.append(f"the table does not have the rows 1 to {COUNT}, in order")
    named = properties_in_tests()
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
