#!/usr/bin/env python3
"""Time and memory of an import: benches/devpi_import.py BINARY [PROJECTS [VERSIONS [KIB]]] [--hard-links]

Writes a devpi export of PROJECTS (500) projects with VERSIONS (10) wheels of KIB (100) KiB each and a description of 8 KB for each
version, imports it into an empty folder, imports it again, and prints for both the seconds, files a second and the peak of resident
memory. Needs nothing but Python; everything happens in a temporary folder, which is removed at the end.
"""
import hashlib
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import zipfile

DESCRIPTION = "A line of a description, as long as lines of descriptions are.\n" * 128
INDEX = "bench/dev"


def wheel(name, version, kib, source):
    """A valid wheel with one stored member of random bytes."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/data.bin": source.randbytes(kib * 1024),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n{DESCRIPTION}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return packed.getvalue()


def release(folder, name, version, kib, source):
    """Writes one file of the export; returns its entry and the version's data."""
    filename = f"{name}-{version}-py3-none-any.whl"
    content = wheel(name, version, kib, source)
    relpath = f"{INDEX}/{name}/{version}/{filename}"
    (folder / relpath).parent.mkdir(parents=True)
    (folder / relpath).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    mapping = {
        "last_modified": "Mon, 01 Jun 2026 12:00:00 GMT",
        "hash_spec": f"sha256={digest}",
        "hashes": {"sha256": digest},
        "project": name,
        "version": version,
    }
    log = [{"what": "upload", "who": "bench", "when": [2026, 6, 1, 12, 0, 0], "dst": INDEX}]
    entry = {"type": "releasefile", "projectname": name, "version": version, "relpath": relpath, "entrymapping": mapping, "log": log}
    return entry, {"name": name, "version": version, "metadata_version": "2.1", "description": DESCRIPTION}


def write_export(folder, projects, versions, kib):
    """An export as devpi-export writes it."""
    source = random.Random(1)
    data = {"indexconfig": {"type": "stage", "volatile": False, "bases": [], "acl_upload": ["bench"]}, "projects": {}, "files": []}
    for number in range(projects):
        name = f"project{number}"
        for minor in range(versions):
            entry, fields = release(folder, name, f"1.{minor}", kib, source)
            data["files"].append(entry)
            data["projects"].setdefault(name, {})[f"1.{minor}"] = fields
    users = {name: {"username": name, "created": "2026-01-01T00:00:00Z"} for name in ("root", "bench")}
    export = {"dumpversion": "2", "pythonversion": [3, 11], "devpi_server": "6.20.3", "users": users, "indexes": {INDEX: data}}
    (folder / "dataindex.json").write_text(json.dumps(export))


def peak_mib(pid):
    """The process's peak of resident memory so far (VmHWM); 0 when it has ended."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0


def run(binary, export, data, options):
    """One import; returns seconds and the peak of resident memory in MiB, looked at fifty times a second."""
    begin = time.monotonic()
    command = [binary, "import", "devpi", export, "--data-dir", data, *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_mib(process.pid))
        time.sleep(0.02)
    if process.returncode != 0:
        sys.exit(f"the import ended with status {process.returncode}")
    return time.monotonic() - begin, peak


def main():
    options = [word for word in sys.argv[1:] if word.startswith("--")]
    binary, *numbers = [word for word in sys.argv[1:] if not word.startswith("--")]
    projects, versions, kib = [*map(int, numbers), *(500, 10, 100)[len(numbers) :]]
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        export = pathlib.Path(folder) / "export"
        export.mkdir()
        write_export(export, projects, versions, kib)
        index = (export / "dataindex.json").stat().st_size / 2**20
        print(f"{projects * versions} files of {kib} KiB, dataindex.json of {index:.0f} MiB {' '.join(options)}")
        for what in ("import", "the same again"):
            seconds, peak = run(binary, export, pathlib.Path(folder) / "data", options)
            print(f"{what:15} {seconds:6.1f} s  {projects * versions / seconds:7.0f} files/s  peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
