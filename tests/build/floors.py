#!/usr/bin/python3
"""Checks the table of floors in docs/architecture.md against the headers: each header stands in it once, and includes
only headers of its own floor or of those below. Definitions in impl/NAME.ipp are on the floor of NAME.hpp."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include" / "ferry"


def floors():
    """The floor of each header that the table names."""
    found = {}
    rows = re.findall(r"^\| (\d) \| (.*?) \| (.*?) \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    for floor, room, names in rows:
        folder = room.strip("`") if room.startswith("`") else ""
        for name in names.split(", "):
            header = f"{folder}{name}.hpp"
            if header in found:
                yield None, f"{header} stands in the table twice"
            found[header] = int(floor)
    yield found, None


def answers():
    """Problems of the table "Where is it?": each row names a file and a function that is in it."""
    for file, function in re.findall(r"^\| [^|]* \| `([\w/.]+)` \| `([\w:~]+)` \|$", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE):
        path = INCLUDE / "detail" / file if (INCLUDE / "detail" / file).exists() else INCLUDE / file
        if not path.exists() or function.split("::")[-1] not in path.read_text():
            yield f"docs/architecture.md: {function} is not in {file}"


def problems():
    yield from answers()
    table = {}
    for found, problem in floors():
        if problem:
            yield problem
        else:
            table = found
    headers = {str(path.relative_to(INCLUDE)): path for path in sorted(INCLUDE.rglob("*.hpp"))}
    for name in headers.keys() - table.keys():
        yield f"{name} is not in the table of docs/architecture.md"
    for name in table.keys() - headers.keys():
        yield f"the table of docs/architecture.md names {name}, which is not there"
    definitions = {str(path.relative_to(INCLUDE / "impl").with_suffix(".hpp")): path for path in sorted(INCLUDE.rglob("*.ipp"))}
    for name in definitions.keys() - headers.keys():
        yield f"impl/{name[:-4]}.ipp has no header {name}"
    for name, path in [*headers.items(), *definitions.items()]:
        for included in re.findall(r"^#include <ferry/(.*)>", path.read_text(), re.MULTILINE):
            included = re.sub(r"^impl/(.*)\.ipp$", r"\1.hpp", included)
            if table.get(included, 0) > table.get(name, 9):
                yield f"{name} (floor {table[name]}) includes {included} (floor {table[included]})"


found = sorted(problems())
print("\n".join(found) or "each header includes its own floor or those below")
sys.exit(1 if found else 0)
