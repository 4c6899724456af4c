#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""compare_aiebu.py [--gemm|--mlp|--norm|--attention] TANDEM AIEBU_FOLDER [COUNT [SEED]]: our streams through AMD's own tools.

Encodes COUNT random sequences of shim transfers (with --gemm, --mlp, --norm, --attention: multiplies COUNT random
matrices, or MLPs, dense or sparse, or products and norms, of which it takes the stream of any run, or attends COUNT
times on the emulated array), assembles each stream with AMD's aiebu-asm, disassembles it with aiebu-dump, and compares
operation, address and data of every line with `tandem npu insts`. The tools are in XRT 2.25 (Debian:
libxrt-utils-npu). Exit status 1 when anything differs or is refused.
"""
import json
import os
import random
import re
import subprocess
import sys
import tempfile

BYTES = {"i8": 1, "bf16": 2, "i32": 4}


def random_sequence(rng):
    generation = rng.choice(["npu1", "npu2"])
    columns = rng.randint(1, 4 if generation == "npu1" else 8)
    args = [{"type": rng.choice(list(BYTES)), "elements": 0} for _ in range(rng.randint(1, 5))]
    allocs, ops = [], []
    for column in range(columns):
        arg = rng.randrange(len(args))
        width, blocks = rng.choice([32, 64, 128, 256]), rng.randint(1, 16)
        rows, outer, row = rng.randint(1, 63), rng.randint(1, 8), width * blocks
        args[arg]["elements"] = max(args[arg]["elements"], outer * rows * row)
        name = f"x{column}"
        allocs.append({"name": name, "col": column, "dir": rng.choice(["S2MM", "MM2S"]),
                       "channel": rng.randrange(2)})
        ops.append({"op": "dma_memcpy_nd", "arg": arg, "offsets": [0, 0, 0, 0],
                    "sizes": [outer, blocks, rows, width], "strides": [rows * row, width, row, 1],
                    "bd": rng.randrange(16), "alloc": name, "token": True})
    ops += [{"op": "dma_wait", "alloc": alloc["name"]} for alloc in allocs]
    return {"device": generation, "args": args, "allocs": allocs, "tiles": [], "ops": ops}


def gemm_stream(tandem, rng, folder):
    """The stream of a random product of matrices."""
    command = [tandem, "npu", "gemm", "--save", folder, "--json",
               "--type", rng.choice(["i8", "i4", "bf16"]), "--generation", rng.choice(["npu1", "npu2"])]
    for side, most in (("-m", 600), ("-k", 600), ("-n", 1500)):
        command += [side, str(rng.randint(1, most))]
    subprocess.run(command, check=True, capture_output=True)
    return f"{folder}/gemm.bin"


def mlp_stream(tandem, rng, folder):
    """The stream of one of the runs of a random MLP, of gates that are cut or not."""
    command = [tandem, "npu", "mlp", "--save", folder, "--json", "--type", rng.choice(["i8", "i4"]),
               "--generation", rng.choice(["npu1", "npu2"])]
    for side, most in (("-m", 600), ("-k", 600), ("--neurons", 1500), ("-n", 600)):
        command += [side, str(rng.randint(1, most))]
    cut = ["--cut", str(rng.choice([-1, 0.5, 1.645]))]
    more = rng.choice([[], ["--up", str(rng.randint(1, 600))], cut])
    subprocess.run(command + more, check=True, capture_output=True)
    return folder + rng.choice(["/first.bin", "/second.bin"] + (["/third.bin"] if more == cut else []))


def norm_stream(tandem, rng, folder):
    """The stream of one of both runs of a random product and its norms."""
    command = [tandem, "npu", "norm", "--save", folder, "--json", "--type", rng.choice(["i8", "i4"]),
               "--generation", rng.choice(["npu1", "npu2"])]
    for side, least, most in (("-m", 1, 128), ("-k", 1, 600), ("-n", 257, 2500)):
        command += [side, str(rng.randint(least, most))]
    command += rng.choice([[], ["--apart"]])
    subprocess.run(command, check=True, capture_output=True)
    return folder + rng.choice(["/first.bin", "/second.bin"])


def attention_stream(tandem, rng, folder):
    """The stream of a random attention."""
    rows, kv_heads = rng.randint(1, 300), rng.randint(1, 3)
    command = [tandem, "npu", "attention", "--save", folder, "--json", "--generation", rng.choice(["npu1", "npu2"]),
               "-q", str(rows), "--kv", str(rows + rng.randint(0, 300)), "--window", str(rng.choice([0, 1, 64, 200])),
               "--kv-heads", str(kv_heads), "--heads", str(kv_heads * rng.randint(1, 4)),
               "--head-dim", str(rng.randint(1, 64))]
    subprocess.run(command, check=True, capture_output=True)
    return f"{folder}/attention.bin"


def our_lines(tandem, stream):
    text = subprocess.run([tandem, "npu", "insts", "--json", stream], check=True, text=True,
                          capture_output=True).stdout
    lines = []
    for op in json.loads(text)["ops"]:
        fields = {field["name"]: field["value"] for field in op.get("fields", [])}
        if op["op"] == "WRITE":
            lines.append(f"WRITE @{op['address']:#x}, {op['data'][0]:#x}")
        elif op["op"] == "BLOCKWRITE":
            lines.append(f"BLOCKWRITE @{op['address']:#x}, [{len(op['data'])}]")
            lines += [f"BLOCKWRITE.{i} {word:#x}" for i, word in enumerate(op["data"]) if word]
        elif op["op"] == "MASKWRITE":
            lines.append(f"MASKWRITE @{op['address']:#x}, {op['mask']:#x}(), {op['value']:#x}")
        elif op["op"] == "DDR_PATCH":
            lines.append(f"CUSTOM_OP_DDR_PATCH @{op['address']:#x}, #{fields['argument']}, "
                         f"+{fields['offset']:#x}")
        else:
            lines.append(op["op"])
    return lines


def their_lines(folder, stream):
    elf = stream + ".elf"
    subprocess.run([f"{folder}/aiebu-asm", "-t", "aie2txn", "-c", stream, "-o", elf], check=True,
                   capture_output=True)
    text = subprocess.run([f"{folder}/aiebu-dump", "-d", elf], check=True, text=True,
                          capture_output=True, cwd=os.path.dirname(stream)).stdout
    lines = []
    for line in text.splitlines():
        match = re.match(r"\s*XAIE_IO_(\S+)\s+(.*)", line)
        if not match or re.match(r"BLOCKWRITE\.\d+", match[1]) and match[2].strip() == "0x0":
            continue
        lines.append("TCT" if match[1].endswith("TCT") else f"{match[1]} {match[2].strip()}")
    return lines


def main():
    makers = {"--gemm": gemm_stream, "--mlp": mlp_stream, "--norm": norm_stream, "--attention": attention_stream}
    args = [arg for arg in sys.argv[1:] if arg not in makers]
    make = next((makers[arg] for arg in sys.argv[1:] if arg in makers), None)
    if len(args) < 2:
        sys.exit(__doc__)
    tandem, folder = os.path.abspath(args[0]), os.path.abspath(args[1])
    count = int(args[2]) if len(args) > 2 else 200
    rng = random.Random(int(args[3]) if len(args) > 3 else 1)
    differ = 0
    with tempfile.TemporaryDirectory() as scratch:
        source, stream = f"{scratch}/sequence.json", f"{scratch}/stream.bin"
        for _ in range(count):
            if make:
                stream = make(tandem, rng, scratch)
            else:
                with open(source, "w", encoding="utf-8") as file:
                    json.dump(random_sequence(rng), file)
                subprocess.run([tandem, "npu", "encode", "-q", source, "-o", stream], check=True)
            ours, theirs = our_lines(tandem, stream), their_lines(folder, stream)
            if ours != theirs:
                differ += 1
                print(next((pair for pair in zip(ours, theirs) if pair[0] != pair[1]),
                           (len(ours), len(theirs))))
    print(f"{count - differ} of {count} streams read the same")
    sys.exit(differ > 0)


if __name__ == "__main__":
    main()
