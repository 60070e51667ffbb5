"""Writes cpio archives in the 'newc' format, the one Linux unpacks as its initramfs."""

import stat


class Archive:
    """Collects entries; `bytes()` is the finished archive. Archives may be concatenated."""

    def __init__(self):
        self.chunks = []
        self.count = 0

    def directory(self, name):
        self.entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, content, mode=0o644):
        self.entry(name, stat.S_IFREG | mode, content)

    def entry(self, name, mode, content=b""):
        self.count += 1
        encoded = name.encode() + b"\0"
        inode, links = self.count, 1
        fields = [inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(encoded), 0]
        header = b"070701" + b"".join(b"%08x" % field for field in fields)
        self.chunks += [pad(header + encoded), pad(content)]

    def bytes(self):
        self.entry("TRAILER!!!", 0)
        return b"".join(self.chunks)


def pad(data):
    return data + b"\0" * (-len(data) % 4)
