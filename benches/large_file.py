#!/usr/bin/env python3
"""Memory and time of one large file: benches/large_file.py BINARY [SIZE_MIB]

Starts the server on an empty folder, uploads a wheel of SIZE_MIB (1024) of incompressible bytes, downloads it, and prints seconds,
MiB a second, the seconds from the last byte sent to the answer, and the peak of resident memory after each step. Needs nothing but
Python. Everything happens on 127.0.0.1 and in a temporary folder that is removed at the end.

With CHEESESHOP_BLOBS=s3://bucket/prefix and the AWS_… variables of an S3 server in the environment the file goes there, and stays.
"""
import base64
import hashlib
import http.client
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

PIECE = 1 << 20


def peak_mib(pid):
    """The process's peak of resident memory so far (VmHWM)."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM")


def make_wheel(path, size_mib):
    """A valid wheel with one stored member of random bytes, written piece by piece."""
    info = "big-1.0.dist-info"
    metadata = b"Metadata-Version: 2.1\nName: big\nVersion: 1.0\n"
    wheel = b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    source = random.Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        with archive.open(zipfile.ZipInfo("big/data.bin"), "w", force_zip64=size_mib > 2047) as member:
            for _ in range(size_mib):
                member.write(source.randbytes(PIECE))
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", wheel)
        archive.writestr(f"{info}/RECORD", f"big/data.bin,,{size_mib * PIECE}\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def upload(port, path):
    """Posts the form; returns the seconds for all and those after the last byte."""
    boundary = "bench-boundary"
    fields = {":action": "file_upload", "protocol_version": "1", "name": "big", "version": "1.0", "filetype": "bdist_wheel", "pyversion": "py3"}
    head = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{path.name}"\r\n\r\n'
    tail = f"\r\n--{boundary}--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    begin = time.monotonic()
    connection.putrequest("POST", "/root/main/")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.putheader("Authorization", "Basic " + base64.b64encode(b"root:bench").decode())
    connection.endheaders()
    connection.send(head.encode())
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            connection.send(piece)
    connection.send(tail.encode())
    sent = time.monotonic()
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, (answer.status, body)
    return time.monotonic() - begin, time.monotonic() - sent


def download(port, sha256, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    begin = time.monotonic()
    connection.request("GET", f"/root/main/+f/{sha256[:3]}/{sha256[3:16]}/{name}")
    answer = connection.getresponse()
    got = 0
    while piece := answer.read(PIECE):
        got += len(piece)
    assert answer.status == 200, answer.status
    return time.monotonic() - begin, got


def main(binary, size_mib):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        path = folder / "big-1.0-py3-none-any.whl"
        make_wheel(path, size_mib)
        sha256 = hashlib.file_digest(path.open("rb"), "sha256").hexdigest()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [binary, "serve", "--listen", f"127.0.0.1:{port}", "--data-dir", str(folder / "data"), "--upstream", "none"]
        server = subprocess.Popen(command, env=os.environ | {"CHEESESHOP_ROOT_PASSWORD": "bench"}, stdout=subprocess.DEVNULL)
        try:
            for _ in range(200):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            print(f"idle: peak {peak_mib(server.pid):.1f} MiB")
            took, after = upload(port, path)
            print(f"upload {size_mib} MiB: {took:.1f} s, {size_mib / took:.0f} MiB/s, answer {after:.2f} s after the last byte, peak {peak_mib(server.pid):.1f} MiB")
            took, got = download(port, sha256, path.name)
            assert got == path.stat().st_size
            print(f"download {size_mib} MiB: {took:.1f} s, {size_mib / took:.0f} MiB/s, peak {peak_mib(server.pid):.1f} MiB")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1024)
