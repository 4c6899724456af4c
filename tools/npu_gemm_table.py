#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""npu_gemm_table.py TANDEM ROWS.json: the model of matrix products beside published measurements.

ROWS.json is tests/data/npu/gemm_published.json. Prints the table of docs/npu.md.
"""
import json
import statistics
import subprocess
import sys


def model(tandem, row):
    m, k, n = row["shape"]
    type_ = "i4" if row["type"] == "w4bf16" else row["type"]
    command = [tandem, "npu", "gemm", "--model-only", "--json", "-m", str(m), "-k", str(k), "-n", str(n),
               "--type", type_, "--generation", row["generation"], "--out", row["output"],
               "--tile", "x".join(map(str, row["tile"])), "--kernel-class", row["kernel"]]
    if "columns" in row:
        command += ["--columns", str(row["columns"])]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    errors = []
    print("| row | array | types | problem | tile | compiler | published | model | error | bound |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in json.load(open(sys.argv[2], encoding="utf-8"))["rows"]:
        time = model(sys.argv[1], row)
        error = time["tops"] / row["tops"] - 1
        errors.append(abs(error))
        array = row["generation"] + (f", {row['columns']} columns" if "columns" in row else "")
        print(f"| {row['id']}{' *' if 'assumed' in row else ''} | {array} | {row['type']}→{row['output']} | "
              f"{'x'.join(map(str, row['shape']))} | {'x'.join(map(str, row['tile']))} | {row['kernel']} | "
              f"{row['tops']:.2f} | {time['tops']:.2f} | {100 * error:+.1f} % | {time['bound']} |")
    print(f"\nMedian {100 * statistics.median(errors):.1f} %, largest {100 * max(errors):.1f} %.")


if __name__ == "__main__":
    main()
