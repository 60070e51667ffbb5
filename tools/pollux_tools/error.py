# SPDX-License-Identifier: BSD-3-Clause
"""What a user is told: Error says what was tried, on what, why it failed, what to do (as pollux/core/error.hpp)."""
import os
import sys


class Error(Exception):
    """str() is "cannot OPERATION OBJECT: WHERE: REASON; REMEDY"."""

    def __init__(self, operation, subject="", where="", code=0, remedy=""):
        self.code, self.remedy = code or 0, remedy
        parts = [f"cannot {operation} {subject}".rstrip(), where, os.strerror(code) if code else ""]
        super().__init__(": ".join(p for p in parts if p) + (f"; {remedy}" if remedy else ""))


class UsageError(Exception):
    """The command line is wrong; nothing was done."""


class Interrupted(BaseException):
    """The tool was told to end, by signal `number`."""

    def __init__(self, number, name):
        super().__init__(f"ended by {name}")
        self.number = number


def note(text):
    print(f"pollux-devbind: note: {text}", file=sys.stderr)
