#!/usr/bin/env python3
"""Time of searches: benches/search.py BINARY [PROJECTS [MIRRORED [ROUNDS]]]

Fills the embedded default with PROJECTS (100,000) projects in 50 indexes, one of them private, writing their rows into the database file while
no server runs; starts the server, which makes the entries of the search in the background, and waits for that; lets it fetch a list of
MIRRORED (900,000) names from an index on 127.0.0.1; then asks each of some questions ROUNDS (20) times and prints the median and the
largest time until the answer was there, and the processor time that the server took for one. Needs nothing but Python.
Everything happens on 127.0.0.1 and in a temporary folder that is removed at the end.
"""
import http.client
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from common.filling import wait_for_entries

INDEXES = 50
SYLLABLES = [first + second for first in "bcdfghklmnprstvwz" for second in ("a", "e", "i", "o", "u", "an", "er", "in", "or")]
COMMON = "python data client library tools test server simple fast async configuration management for with the and of to".split()


class Words:
    """Words as a language has them: few are in most texts, most are in few."""

    def __init__(self, source):
        self.source = source
        made = {"".join(source.choices(SYLLABLES, k=source.choice((2, 2, 3, 3, 4)))) for _ in range(30_000)}
        self.rare = sorted(made)
        source.shuffle(self.rare)

    def some(self, count):
        """Words of a sentence."""
        place = lambda: min(int(self.source.paretovariate(0.6)), len(self.rare)) - 1
        return [self.source.choice(COMMON) if self.source.random() < 0.4 else self.rare[place()] for _ in range(count)]

    def name(self):
        """A project's name."""
        parts = [self.source.choice(COMMON[:12]) if self.source.random() < 0.2 else self.source.choice(self.rare) for _ in range(self.source.choice((1, 2, 2, 3)))]
        return "-".join(parts)


def version_key(version):
    """Any key will do: each project has one release."""
    return version.encode()


def fill(database, projects):
    """Writes users, indexes and projects, each with one release; returns some names to look for."""
    source = random.Random(1)
    words = Words(source)
    db = sqlite3.connect(database)
    user = db.execute("SELECT id FROM users WHERE name = 'root'").fetchone()[0]
    indexes = []
    for number in range(INDEXES):
        settings = {"volatile": False, "acl_read": ["root"] if number == INDEXES - 1 else [":ANONYMOUS:"]}
        row = (user, f"team{number}", "stage", "ready", json.dumps(settings), 0)
        indexes.append(db.execute("INSERT INTO indexes (user_id, name, kind, state, settings, created) VALUES (?, ?, ?, ?, ?, ?)", row).lastrowid)
    names = set()
    while len(names) < projects:
        names.add(words.name())
    names = sorted(names)
    source.shuffle(names)
    characters = 0
    for name in names:
        # A few indexes hold most of them.
        index = indexes[min(int(source.paretovariate(0.7)), INDEXES) - 1]
        project = db.execute(
            "INSERT INTO projects (index_id, name, display_name, reserved, serial, created) VALUES (?, ?, ?, 0, 1, 1)", (index, name, name)
        ).lastrowid
        lines = [" ".join(words.some(12)) + "." for _ in range(min(int(source.lognormvariate(3.0, 0.9)), 400))]
        description = "\n".join(lines)
        characters += len(description)
        metadata = {"name": name, "version": "1.0", "summary": " ".join(words.some(8)), "keywords": ",".join(words.some(4)), "description": description}
        db.execute(
            "INSERT INTO releases (project_id, version, canonical, sort_key, metadata, created) VALUES (?, '1.0', '1', ?, ?, 1)",
            (project, version_key("1.0"), json.dumps(metadata)),
        )
    # What makes the entries may have run already, and is to look again.
    db.execute("UPDATE jobs SET run = 0 WHERE kind = 'search'")
    db.commit()
    db.close()
    print(f"{projects:,} projects in {INDEXES} indexes, descriptions of {characters // projects:,} characters on average")
    return names, words


def serve_list(count):
    """An upstream that has a list of projects and nothing else; returns its address."""
    source = random.Random(2)
    words = Words(source)
    names = set()
    while len(names) < count:
        names.add(f"{words.name()}{source.choice(('', '', source.randrange(10, 100)))}")
    body = json.dumps({"meta": {"api-version": "1.0"}, "projects": [{"name": name} for name in sorted(names)]}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            there = self.path == "/simple/"
            self.send_response(200 if there else 404)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(body) if there else 0))
            self.end_headers()
            if there:
                self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/simple/", sorted(names)


class Server:
    """The server under test."""

    def __init__(self, binary, data, upstream):
        self.binary, self.data, self.upstream = binary, data, upstream

    def start(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [self.binary, "serve", "--listen", f"127.0.0.1:{self.port}", "--data-dir", self.data, "--upstream", self.upstream]
        command += ["--root-password", "bench", "--private-mirrors", "--log", "warn"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        for _ in range(600):
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
                self.get("/health")
                # The next request opens another: what stands idle for long is closed.
                self.connection.close()
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the server does not start")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def get(self, path, **headers):
        self.connection.request("GET", path, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024


def time_of_entries(database, projects):
    """Waits until every project has its entry; prints how long that took."""
    begin = time.monotonic()
    wait_for_entries(database.parent, projects)
    seconds = time.monotonic() - begin
    size = sum(path.stat().st_size for path in database.parent.glob(f"{database.name}*"))
    print(f"all entries made in {seconds:.0f} s, {projects / max(seconds, 1):,.0f} a second; the database has {size / 2**20:,.0f} MiB")


def measure(server, label, rounds, **query):
    """Asks one question again and again."""
    path = "/+search?" + urllib.parse.urlencode(query)
    _, body = server.get(path)
    result = json.loads(body)["result"]
    times, cpu = [], server.cpu_seconds()
    for _ in range(rounds):
        begin = time.perf_counter()
        server.get(path)
        times.append((time.perf_counter() - begin) * 1000)
    cpu = (server.cpu_seconds() - cpu) / rounds * 1000
    hits = f"{len(result['hits'])}{'+' if result['more'] else ''}"
    print(f"| {label} | {hits} | {statistics.median(times):.1f} ms | {max(times):.1f} ms | {cpu:.0f} ms |", flush=True)


def swapped(name):
    """The name with a typing error."""
    return name[:2] + name[3] + name[2] + name[4:]


def main():
    binary = str(pathlib.Path(sys.argv[1]).resolve())
    projects, mirrored, rounds = (int(arg) for arg in (sys.argv[2:] + ["100000", "900000", "20"][len(sys.argv) - 2 :]))
    upstream, listed = serve_list(mirrored)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(binary, folder, upstream)
        server.start()
        server.stop()
        database = pathlib.Path(folder) / "cheeseshop.db"
        names, words = fill(database, projects)
        server.start()
        time_of_entries(database, projects)
        begin = time.monotonic()
        server.get("/root/pypi/+simple/", Accept="application/vnd.pypi.simple.v1+json")
        print(f"list of {mirrored:,} mirrored names fetched in {time.monotonic() - begin:.1f} s; {server.memory_mib():.0f} MiB")
        begin = time.monotonic()
        server.get("/+search?q=first")
        print(f"first search, which unpacks them: {(time.monotonic() - begin) * 1000:.0f} ms; {server.memory_mib():.0f} MiB\n")
        long = [name for name in names if 8 <= len(name) <= 20 and "-" not in name]
        print("| looked for | hits | median | largest | processor |\n|---|---|---|---|---|")
        measure(server, "a name", rounds, q=long[0])
        measure(server, "the beginning of many names", rounds, q="pyth")
        measure(server, "two characters", rounds, q="py")
        measure(server, "a word of many names", rounds, q="server")
        measure(server, "a name with a typing error", rounds, q=swapped(long[1]))
        measure(server, "a mirrored name with a typing error", rounds, q=swapped(next(name for name in listed if len(name) == 12 and name not in names)))
        measure(server, "a common word of summaries", rounds, q=words.rare[0])
        measure(server, "a rare word of descriptions", rounds, q=words.rare[3000])
        measure(server, "two common words", rounds, q="configuration management")
        measure(server, "three words, the last page", rounds, q="the of and", page=25)
        measure(server, "trigrams that are everywhere, in no word", rounds, q="thentestof")
        measure(server, "eight words", rounds, q=" ".join(words.rare[:8]))
        measure(server, "nothing", rounds, q="qqqqqqqqqq")
        measure(server, "a common word in a small index", rounds, q="python", index="root/team40")
        measure(server, "a common word in the default index, a mirror below it", rounds, q="python", index="root/main")
        print(f"\n{server.memory_mib():.0f} MiB at the end")
        server.stop()


if __name__ == "__main__":
    main()
