#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Compile-time promises: every cases/*.cpp compiles as it stands and, with -DPOLLUX_MUST_FAIL, does not, for the reason
# its "// expect:" lines give (each must occur in the compiler's message).
#
#   run.py PROJECT_ROOT -- COMPILER...
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys


def compile_case(compiler, root, case, *defines):
    command = [*compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra",
               f"-I{root}/include", f"-I{root}/drivers", *defines, str(case)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})


def check(compiler, root, case):
    """What is wrong with this case; an empty string when it is as it should be."""
    expected = re.findall(r"^// expect: (.+)$", case.read_text(), re.MULTILINE)
    if not expected:
        return "has no '// expect: ...' line"
    good = compile_case(compiler, root, case, "-Werror")
    if good.returncode != 0:
        return "the correct twin does not compile:\n" + good.stderr
    bad = compile_case(compiler, root, case, "-DPOLLUX_MUST_FAIL")
    if bad.returncode == 0:
        return "the mistake compiles"
    missing = [text for text in expected if text not in bad.stderr]
    if missing:
        return f"fails without saying {missing}:\n{bad.stderr}"
    return ""


def main():
    root, separator, *compiler = sys.argv[1:]
    assert separator == "--" and compiler, __doc__
    cases = sorted((pathlib.Path(root) / "tests/must_fail/cases").glob("*.cpp"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda case: check(compiler, root, case), cases))
    for case, wrong in zip(cases, results):
        print(f"{'FAIL' if wrong else 'ok'}  {case.name}{': ' + wrong if wrong else ''}")
    failed = sum(map(bool, results))
    print(f"{len(cases)} cases, {failed} failed ({' '.join(compiler)})")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main())
