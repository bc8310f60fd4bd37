#!/usr/bin/python3
"""Fails if a header of include/ferry has more than 500 lines, or a function in it more than 50.

A function's lines are those from its name's declaration to its closing brace, without the comment before it. A lambda
is a part of the function that it stands in. The scanner expects code that clang-format has laid out and a compiler
has accepted: it follows braces, and knows a function by the parentheses before its brace."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include" / "ferry"
MOST_LINES = 500
MOST_FUNCTION_LINES = 50
MOST_EXCEPTIONS = 5

# The functions that may be longer, at most five, each with the reason.
EXCEPTIONS = {
    "status.hpp: reason_phrase": "one case for each registered status, with nothing to decide",
}

TOKENS = re.compile(
    r"""(?P<skip>//[^\n]*|/\*.*?\*/|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)  # Comments and directives.
      | (?P<literal>R"(?P<mark>[^()\s\\]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+')""",
    re.VERBOSE | re.DOTALL | re.MULTILINE)


def without_texts(code):
    """The code without comments, directives and literals; every line and column stays where it is."""
    def blank(match):
        filler = " " if match["skip"] else "0"
        return re.sub(r"[^\n]", filler, match[0])
    return TOKENS.sub(blank, code)


def close_of(code, at):
    """The place of the bracket that closes the one at this place."""
    closing = {"(": ")", "{": "}", "[": "]"}[code[at]]
    depth = 0
    for i in range(at, len(code)):
        if code[i] == code[at]:
            depth += 1
        elif code[i] == closing:
            depth -= 1
            if depth == 0:
                return i
    raise ValueError("a bracket is not closed")


def without_templates(head):
    """The head of a declaration without `template <...>` and the access specifiers before it."""
    while True:
        shorter = re.sub(r"^\s*((public|private|protected)\s*:|requires\s+[\w:<>, ]+?(?=\n)|\[\[\w+\]\])", "", head)
        begin = re.match(r"\s*template\s*<", shorter)
        if begin:
            depth, i = 1, begin.end()
            while depth > 0:
                depth += {"<": 1, ">": -1}.get(shorter[i], 0)
                i += 1
            shorter = shorter[i:]
        if shorter == head:
            return head
        head = shorter


def flat(head):
    """The head with an empty pair for each pair of parentheses."""
    out = ""
    i = 0
    while i < len(head):
        if head[i] == "(":
            i = close_of(head, i)
            out += "()"
        else:
            out += head[i]
        i += 1
    return out


def kind_of(head):
    """What the brace after this head opens: a scope, a function, or a value or a list."""
    head = without_templates(head).strip()
    if re.match(r"(inline\s+)?namespace\b|extern\s+0+$|(class|struct|union)\b", head):
        return "scope"
    shape = re.sub(r"operator\s*(\(\)|[^\s\w(]+)", "operator_", flat(head).replace("operator()()", "operator_()"))
    if re.match(r"enum\b", shape) or "(" not in shape:
        # A variable may be made by a lambda, which is measured like a function.
        return "function" if re.search(r"=\s*\[[^\]]*\]", shape) else "list"
    if re.search(r"(?<![=!<>])=(?!=)", shape):
        return "function" if re.search(r"=\s*\[[^\]]*\]", shape) else "list"
    if re.search(r"\)[^():]*(?<!:):(?!:)", shape) and re.search(r"[\w>]$", shape):
        return "list"  # The first value of a member, in a constructor's list.
    return "function"


def name_of(head):
    """The name that this head of a function or a scope declares."""
    head = without_templates(head).strip()
    scope = re.match(r"(?:class|struct|union)\s+(?:FERRY_\w+\s+)?([\w:]+)", head)
    if scope:
        return scope[1]
    special = re.search(r"operator\s*(\(\)|[^\s\w(]+|[\w:]+)", head)
    if special:
        return special[0]
    variable = re.search(r"(\w+)\s*=\s*\[", flat(head))
    names = variable or re.search(r"(~?\w[\w:]*)\s*\(", head)
    return names[1] if names else ""


def functions(code):
    """The name and the number of lines of each function."""
    code = without_texts(code)
    scopes = []
    begin = i = 0
    while i < len(code):
        c = code[i]
        if c == "(":
            i = close_of(code, i)
        elif c == ";":
            begin = i + 1
        elif c == "}":
            scopes.pop()
            begin = i + 1
        elif c == "{":
            head = code[begin:i]
            kind = kind_of(head)
            if kind == "scope":
                scopes.append(name_of(head))
                begin = i + 1
            else:
                end = close_of(code, i)
                if kind == "function":
                    body = without_templates(head).lstrip()
                    lines = (body + code[i:end]).count("\n") + 1
                    names = [name for name in scopes if name and not name.startswith("ferry")]
                    yield "::".join(names + [name_of(head)]), lines
                    begin = end + 1
                i = end
        i += 1


def problems():
    long_functions = set()
    for path in sorted(INCLUDE.rglob("*.[hi]pp")):
        name = str(path.relative_to(INCLUDE))
        code = path.read_text()
        if code.count("\n") > MOST_LINES:
            yield f"{name} has {code.count(chr(10))} lines; at most {MOST_LINES} are allowed"
        for function, lines in functions(code):
            if lines <= MOST_FUNCTION_LINES:
                continue
            key = f"{name}: {function}"
            long_functions.add(key)
            if key not in EXCEPTIONS:
                yield f"{key} has {lines} lines; at most {MOST_FUNCTION_LINES} are allowed"
    for key in EXCEPTIONS.keys() - long_functions:
        yield f"{key} is an exception, but is not too long"
    if len(EXCEPTIONS) > MOST_EXCEPTIONS:
        yield f"{len(EXCEPTIONS)} functions are exceptions; at most {MOST_EXCEPTIONS} may be"


if __name__ == "__main__":
    found = list(problems())
    print("\n".join(found) or "no header and no function is too long")
    sys.exit(1 if found else 0)
