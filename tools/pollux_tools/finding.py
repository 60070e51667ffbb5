# SPDX-License-Identifier: BSD-3-Clause
"""Finding: one line of pollux-doctor: how it stands, with what, what was seen, and the command that mends it."""
import dataclasses

LEVELS = ("ok", "info", "warn", "fail")


@dataclasses.dataclass(frozen=True)
class Finding:
    level: str    # ok; info: neither good nor bad; warn: works, yet worse; fail: prevents running
    subject: str
    seen: str
    remedy: str = ""

    def __str__(self):
        return f"{'[' + self.level + ']':6} {self.subject}: {self.seen}" + (f" -> {self.remedy}" if self.remedy else "")


def ok(subject, seen):
    return Finding("ok", subject, seen)


def info(subject, seen, remedy=""):
    return Finding("info", subject, seen, remedy)


def warn(subject, seen, remedy):
    return Finding("warn", subject, seen, remedy)


def fail(subject, seen, remedy):
    return Finding("fail", subject, seen, remedy)
