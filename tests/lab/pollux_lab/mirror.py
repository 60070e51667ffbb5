"""Where the packages come from: the host's own Debian mirror and proxy, read from apt's files.

No package host is named here or anywhere in the lab. POLLUX_LAB_MIRROR overrides what the
host's apt sources say; when they say nothing, debootstrap's built-in default is used.
"""

import glob
import os
import re
import subprocess
from urllib.parse import urlsplit

SOURCES = ["/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"]
DEBIAN_KEYRING = "debian-archive-keyring"


def read_one_line_format(text):
    """Entries (uri, suites, components, signed_by) of a .list file."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if match:
            options, uri, suite, components = match.groups()
            yield uri, [suite], components.split(), options or ""


def read_deb822_format(text):
    """Entries (uri, suites, components, signed_by) of a .sources file."""
    text = re.sub(r"(?m)^#.*\n?", "", text)
    for stanza in re.split(r"\n\s*\n", text):
        fields = {}
        for line in re.sub(r"\n[ \t]+", " ", stanza).splitlines():
            name, colon, value = line.partition(":")
            if colon:
                fields[name.strip().lower()] = value.split()
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        for uri in fields.get("uris", []):
            yield uri, fields.get("suites", []), fields.get("components", []), " ".join(fields.get("signed-by", []))


def choose_mirror(entries, codename):
    """The URI of the release's main archive among `entries`, or None.

    A third-party archive may use the release's name as its suite too; the archive proper is
    told by Debian's keyring and by carrying <codename>-updates beside <codename>.
    """
    evidence = {}
    for uri, suites, components, signed_by in entries:
        if urlsplit(uri).scheme not in ("http", "https") or "main" not in components:
            continue
        found = evidence.setdefault(uri.rstrip("/"), set())
        found.update(suite for suite in suites if suite in (codename, f"{codename}-updates"))
        if DEBIAN_KEYRING in signed_by:
            found.add(DEBIAN_KEYRING)
    candidates = [uri for uri, found in evidence.items() if codename in found]
    return max(candidates, key=lambda uri: len(evidence[uri]), default=None)


def entries(root=""):
    """What the apt sources of the system in `root` say."""
    for pattern in SOURCES:
        for path in sorted(glob.glob(root + pattern)):
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
            yield from (read_deb822_format if path.endswith(".sources") else read_one_line_format)(text)


def host_release():
    """(ID, VERSION_CODENAME) of the host's distribution."""
    fields = {}
    with open("/etc/os-release", encoding="utf-8") as file:
        for line in file:
            name, _, value = line.strip().partition("=")
            fields[name] = value.strip('"')
    return fields.get("ID"), fields.get("VERSION_CODENAME")


def mirror():
    """The archive to build from, or None for debootstrap's default."""
    if os.environ.get("POLLUX_LAB_MIRROR"):
        return os.environ["POLLUX_LAB_MIRROR"].rstrip("/")
    distribution, codename = host_release()
    return choose_mirror(entries(), codename) if distribution == "debian" else None


def proxy_settings(dump):
    """The proxy lines of `apt-config dump`, to be used as an apt.conf fragment."""
    return [line for line in dump.splitlines() if re.match(r'Acquire::(http|https|ftp)::Proxy(::\S+)? "[^"]', line)]


def host_proxy_settings():
    try:
        dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return proxy_settings(dump)


def proxy_environment(settings):
    """The same proxies for debootstrap's wget: {http_proxy: ...}, what is set already wins."""
    environment = {}
    for line in settings:
        match = re.match(r'Acquire::(https?)::Proxy "([^"]*)"', line)
        if match and match[2] != "DIRECT":
            environment[f"{match[1]}_proxy"] = match[2]
    return {name: value for name, value in environment.items() if name not in os.environ}
