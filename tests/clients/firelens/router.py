"""A log router for the tests: it reads its configuration where Fluent Bit or Fluentd would, and does what it says.

    router.py fluentbit | fluentd     route, until SIGTERM: what an output would get is printed, one JSON object a line
    router.py send TAG TEXT           one message to the router, by FLUENT_HOST and FLUENT_PORT

What it does not know in a configuration ends it, as it does them. It speaks the forward protocol and needs nothing but Python.
"""

import fnmatch
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time

PATHS = {"fluentbit": "/fluent-bit/etc/fluent-bit.conf", "fluentd": "/fluentd/etc/fluent.conf"}

PROPERTIES = {
    "forward": {"name", "@type", "tag", "listen", "bind", "port", "unix_path"},
    "unix": {"@type", "path"},
    "tcp": {"name", "tag", "listen", "port"},
    "grep": {"name", "@type", "match", "regex", "exclude"},
    "record_modifier": {"name", "match", "record"},
    "record_transformer": {"@type"},
}

output_lock = threading.Lock()


def say(**what):
    with output_lock:
        print(json.dumps(what), flush=True)


def refuse(message):
    say(refused=message)
    raise SystemExit(1)


class Section:
    """A section: its kind, the tags that it is for, its entries, and the sections in it."""

    def __init__(self, kind, tags=None):
        self.kind, self.tags, self.entries, self.sections = kind.lower(), tags, [], []

    def all(self, key):
        return [value for name, value in self.entries if name.lower() == key.lower()]

    def one(self, key, default=None):
        return (self.all(key) or [default])[-1]

    @property
    def plugin(self):
        return self.one("name") or self.one("@type") or refuse(f"a section {self.kind} without a plugin")

    def matches(self, tag):
        return fnmatch.fnmatchcase(tag, re.sub(r"\*+", "*", self.tags or self.one("match") or ""))


def variable(name):
    if name not in os.environ:
        refuse(f"the variable {name} is not there")
    return os.environ[name]


def fluentbit(path):
    """Sections in brackets, entries that are indented, `@INCLUDE`, `${VARIABLE}`."""
    sections, current = [], None
    for line in open(path).read().splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if match := re.fullmatch(r"@INCLUDE (\S+)", line):
            sections += fluentbit(match[1])
            current = None
        elif match := re.fullmatch(r"\[(SERVICE|INPUT|FILTER|OUTPUT)\]", line):
            current = Section(match[1])
            sections.append(current)
        elif current and (match := re.fullmatch(r" {4}(\S+) +(\S.*)", line)):
            value = re.sub(r"\$\{([^}]+)\}", lambda found: variable(found[1]), match[2].rstrip())
            current.entries.append((match[1], value))
        else:
            refuse(f"{path}: {line!r}")
    return sections


def fluentd(path):
    """Sections in angle brackets, nested, entries, `@include`, `"#{ENV['VARIABLE']}"`."""
    top = Section("top")
    open_sections = [top]
    for line in (line.strip() for line in open(path).read().splitlines()):
        if not line or line.startswith("#"):
            continue
        if match := re.fullmatch(r"@include (\S+)", line):
            open_sections[-1].sections += fluentd(match[1])
        elif match := re.fullmatch(r"<(\w+)(?: (\S+))?>", line):
            inner = Section(match[1], match[2])
            open_sections[-1].sections.append(inner)
            open_sections.append(inner)
        elif match := re.fullmatch(r"</(\w+)>", line):
            if open_sections.pop().kind != match[1]:
                refuse(f"{path}: {line!r}")
        elif match := re.fullmatch(r"(\S+) +(\S.*)", line):
            value = re.sub(r"^\"#\{ENV\['([^']+)'\]\}\"$", lambda found: variable(found[1]), match[2])
            open_sections[-1].entries.append((match[1], value))
        else:
            refuse(f"{path}: {line!r}")
    if open_sections != [top]:
        refuse(f"{path}: a section does not end")
    return top.sections


class Router:
    def __init__(self, kind):
        self.fluentd = kind == "fluentd"
        sections = fluentd(PATHS[kind]) if self.fluentd else fluentbit(PATHS[kind])
        for section in sections:
            known = PROPERTIES.get(section.plugin)
            unknown = {name.lower() for name, _ in section.entries} - (known or set())
            if section.kind in ("input", "source", "filter") and (known is None or unknown):
                refuse(f"the {section.kind} {section.plugin} with {sorted(unknown)}")
        self.inputs = [one for one in sections if one.kind in ("input", "source")]
        self.filters = [one for one in sections if one.kind == "filter"]
        self.outputs = [one for one in sections if one.kind in ("output", "match")]

    def run(self):
        opened = [self.open(section) for section in self.inputs]
        config = open(PATHS["fluentd" if self.fluentd else "fluentbit"]).read()
        say(ready=opened, config=config, uid=os.environ.get("FLUENT_UID"))
        signal.sigwait({signal.SIGTERM})
        say(stopped=True)

    def open(self, section):
        path, port = section.one("unix_path") or section.one("path"), section.one("port")
        if path:
            listener, name = socket.socket(socket.AF_UNIX), path
            listener.bind(path)
        else:
            address = (section.one("listen") or section.one("bind"), int(port))
            listener, name = socket.create_server(address), "%s:%d" % address
            if section.plugin == "tcp":
                threading.Thread(target=self.accept, args=(listener, self.take_text, section), daemon=True).start()
                return name
        listener.listen()
        threading.Thread(target=self.accept, args=(listener, self.take, section), daemon=True).start()
        return name

    def accept(self, listener, take, section):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=take, args=(connection, section), daemon=True).start()

    def take_text(self, connection, section):
        text = connection.makefile("rb").read()
        connection.close()
        self.route(section.one("tag"), {"log": text.decode().strip()})

    def take(self, connection, _):
        for message in messages(connection.makefile("rb")):
            tag, second = message[0], message[1]
            if isinstance(second, list):
                for entry in second:
                    self.route(tag, entry[1])
            else:
                self.route(tag, message[2])

    def route(self, tag, record):
        for section in self.filters:
            if section.matches(tag) and (record := self.filtered(section, record)) is None:
                return
        outputs = [one for one in self.outputs if one.matches(tag)]
        # The first one consumes it.
        for section in outputs[:1] if self.fluentd else outputs:
            say(output=section.plugin, options=dict(section.entries), tag=tag, record=record)
        if not outputs:
            say(output=None, tag=tag, record=record)

    def filtered(self, section, record):
        if section.plugin == "grep":
            wanted = [one.split(None, 1) for one in section.all("regex")]
            unwanted = [one.split(None, 1) for one in section.all("exclude")]
            for inner in section.sections:
                rules = {"regexp": wanted, "exclude": unwanted}[inner.kind]
                rules.append([inner.one("key"), inner.one("pattern")])
            kept = all(re.search(pattern, record.get(key, "")) for key, pattern in wanted)
            return record if kept and not any(re.search(p, record.get(key, "")) for key, p in unwanted) else None
        added = [one.split(None, 1) for one in section.all("record")]
        added += [entry for inner in section.sections for entry in inner.entries]
        return {**record, **dict(added)}


def messages(stream):
    """The messages of the forward protocol, which are MessagePack."""
    while first := stream.read(1):
        yield unpack(stream, first[0])


def unpack(stream, kind=None):
    def number(form):
        return struct.unpack(">" + form, stream.read(struct.calcsize(form)))[0]

    def many(count):
        return [unpack(stream) for _ in range(count)]

    def pairs(count):
        return {unpack(stream): unpack(stream) for _ in range(count)}

    def extension(length):
        return stream.read(1)[0], stream.read(length)

    kind = stream.read(1)[0] if kind is None else kind
    if kind < 0x80:
        return kind
    if kind < 0x90:
        return pairs(kind & 15)
    if kind < 0xA0:
        return many(kind & 15)
    if kind < 0xC0:
        return stream.read(kind & 31).decode()
    if kind >= 0xE0:
        return kind - 256
    simple = {0xC0: None, 0xC2: False, 0xC3: True}
    if kind in simple:
        return simple[kind]
    numbers = {0xCA: "f", 0xCB: "d", 0xCC: "B", 0xCD: "H", 0xCE: "I", 0xCF: "Q", 0xD0: "b", 0xD1: "h", 0xD2: "i", 0xD3: "q"}
    if kind in numbers:
        return number(numbers[kind])
    sized = {
        0xC4: ("B", stream.read), 0xC5: ("H", stream.read), 0xC6: ("I", stream.read),
        0xC7: ("B", extension), 0xC8: ("H", extension), 0xC9: ("I", extension),
        0xD9: ("B", lambda n: stream.read(n).decode()), 0xDA: ("H", lambda n: stream.read(n).decode()),
        0xDB: ("I", lambda n: stream.read(n).decode()),
        0xDC: ("H", many), 0xDD: ("I", many), 0xDE: ("H", pairs), 0xDF: ("I", pairs),
    }  # fmt: skip
    if kind in sized:
        form, read = sized[kind]
        return read(number(form))
    return extension({0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}[kind])


def send(tag, text):
    def string(value):
        return b"\xdb" + struct.pack(">I", len(value)) + value.encode()

    message = b"\x93" + string(tag) + b"\xce" + struct.pack(">I", int(time.time())) + b"\x81" + string("log") + string(text)
    address = (os.environ["FLUENT_HOST"], int(os.environ["FLUENT_PORT"]))
    for _ in range(100):
        try:
            with socket.create_connection(address, timeout=5) as connection:
                return connection.sendall(message)
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"nobody listens at {address}")


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    send(*sys.argv[2:]) if sys.argv[1] == "send" else Router(sys.argv[1]).run()
