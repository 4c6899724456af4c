#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds the NPU's xclbins with MLIR-AIE and Peano, which must be on this machine; npu-toolchain.conf
# names the versions.
#   tools/npu-kernels.sh TANDEM OUT [DESIGN...]
# TANDEM is the program. In OUT: the designs' text and streams, kernel objects, xclbins, and
# manifest.json, by which tandem doctor and the NPU's backend find them. Without DESIGN, those of
# GENERATION (npu1 or npu2); without that, all.
#   MLIR_AIE_INSTALL_DIR, PEANO_INSTALL_DIR  where the wheels were unpacked
#   OPTIMIZE=-Os                             how kernels are compiled, if -O2 makes them too long
#   DRY_RUN=1                                writes text and streams, prints the commands, runs none of them
# What a command says is kept beside its result, in NAME.log. A design that cannot be built does not keep
# the others from it. Exit status 1 when the toolchain is missing (the text is written all the same), a
# kernel does not compile, or a design was not built.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
source_root=$(cd "$here/.." && pwd)
# shellcheck source=npu-toolchain.conf
source "$here/npu-toolchain.conf"

say() { echo "npu-kernels: $*" >&2; }
fail() { say "$*"; exit 1; }

[[ $# -ge 2 ]] || fail "usage: tools/npu-kernels.sh TANDEM OUT [DESIGN...]"
tandem=$(realpath "$1") out=$2
shift 2
[[ -x $tandem ]] || fail "$tandem is not there: run make build first"
generation=${GENERATION:-}
[[ $generation =~ ^(npu1|npu2)?$ ]] || fail "GENERATION=$generation: npu1 or npu2"
mkdir -p "$out" || fail "cannot write to $out"
cd "$out"

designs=("$@")
if [[ ${#designs[@]} -eq 0 ]]; then
  mapfile -t designs < <("$tandem" npu designs | awk -v g="$generation" \
    'NR > 1 && $1 ~ (g == "" ? "." : "-" g "$") { print $1 }')
fi
[[ ${#designs[@]} -gt 0 ]] || fail "no designs"

# field KEY: a string of the JSON on standard input that stands on a line of its own.
field() { sed -n "s/^ *\"$1\": \"\([^\"]*\)\",\{0,1\}$/\1/p" | head -n 1; }

# What of the toolchain is missing, a line each.
mlir_aie=${MLIR_AIE_INSTALL_DIR:-} peano=${PEANO_INSTALL_DIR:-}
aiecc="" missing=()
for name in aiecc.py aiecc; do
  [[ -n $aiecc || -z $mlir_aie || ! -x $mlir_aie/bin/$name ]] || aiecc=$mlir_aie/bin/$name
done
[[ -n $aiecc ]] || missing+=("aiecc of MLIR-AIE (MLIR_AIE_INSTALL_DIR=${mlir_aie:-not set})")
[[ -n $mlir_aie && -f $mlir_aie/include/aie_api/aie.hpp ]] ||
  missing+=("include/aie_api/aie.hpp of MLIR-AIE")
[[ -n $peano && -x $peano/bin/clang++ ]] ||
  missing+=("bin/clang++ of Peano (PEANO_INSTALL_DIR=${peano:-not set})")
command -v xclbinutil >/dev/null || missing+=("xclbinutil of XRT $xrt_least or later, on PATH")
[[ ${#missing[@]} -eq 0 && -n ${PATH:-} ]] && PATH=$mlir_aie/bin:$peano/bin:$PATH

# run LOG COMMAND...: runs it, or says it; what it prints goes to LOG, too.
run() {
  local log=$1
  shift
  if [[ ${DRY_RUN:-} == 1 ]]; then
    printf '%s\n' "${*@Q}"
  else
    "$@" 2>&1 | tee "$log" >&2 || { say "this failed, see $PWD/$log: ${*@Q}"; return 1; }
  fi
}

# Text and streams need no toolchain.
for design in "${designs[@]}"; do
  "$tandem" npu designs "$design" --json -o "$design.json" || exit 1
  "$tandem" npu designs "$design" --mlir --calls function -o "$design.mlir" || exit 1
  "$tandem" npu designs "$design" --insts -o "$design.insts.bin" || exit 1
done
say "wrote the text and the streams of ${#designs[@]} designs to $PWD"

if [[ ${#missing[@]} -gt 0 && ${DRY_RUN:-} != 1 ]]; then
  say "the kernels are not built. Missing:"
  for one in "${missing[@]}"; do echo "  $one" >&2; done
  cat >&2 <<HELP
To have them (Linux on x86-64, Python $python_versions, glibc 2.35 or later):
  python3 -m venv ironenv && source ironenv/bin/activate
  pip install mlir_aie==$mlir_aie_version -f $mlir_aie_index
  pip install 'llvm-aie==$llvm_aie_version' -f $llvm_aie_index
  export MLIR_AIE_INSTALL_DIR=\$(pip show mlir_aie | sed -n 's/^Location: //p')/mlir_aie
  export PEANO_INSTALL_DIR=\$(pip show llvm-aie | sed -n 's/^Location: //p')/llvm-aie
and xclbinutil: on Debian 13, sudo apt install -t trixie-backports libxrt-utils
Then make npu-kernels again; DRY_RUN=1 shows what it would run.
HELP
  exit 1
fi
# For the commands that a dry run shows.
: "${mlir_aie:=MLIR_AIE_INSTALL_DIR}" "${peano:=PEANO_INSTALL_DIR}"
: "${aiecc:=$mlir_aie/bin/aiecc.py}"

# 1. A core's kernels, once for each generation that needs them.
declare -A built=()
for design in "${designs[@]}"; do
  object=$(field kernel_object <"$design.json")
  source=$(field kernel_source <"$design.json")
  [[ -n $object && -z ${built[$object]:-} ]] || continue
  built[$object]=1
  target=aie2-none-unknown-elf
  [[ $object != *.aie2p.o ]] || target=aie2p-none-unknown-elf
  # The linker leaves out what a core does not call, by sections: a core has 16 KB for its program.
  run "$object.log" "$peano/bin/clang++" "${OPTIMIZE:--O2}" -ffunction-sections -std=c++20 --target=$target -DNDEBUG -Wno-parentheses \
    -Wno-attributes -Wno-macro-redefined -I"$mlir_aie/include" -I"$source_root/src" \
    -c "$source_root/src/devices/npu/kernels/$source" -o "$object" || exit 1
done

# 2. The design, and 3. whether its run came out as ours: but for the addresses in the descriptors,
# which the runtime replaces, the two streams say the same.
meaning() {
  "$tandem" npu insts "$1" | sed -E '1d; s/^ +[0-9]+ +//; s/ Base_Address_(Low|High)=[0-9]+//g'
}
made=() failed=()
for design in "${designs[@]}"; do
  # None of an earlier run may pass for this one's.
  [[ ${DRY_RUN:-} == 1 ]] || rm -f "$design.xclbin" "$design.aiecc.bin" "$design.diff"
  run "$design.log" "$aiecc" --aie-generate-xclbin --aie-generate-npu-insts --no-compile-host --no-xchesscc \
    --no-xbridge --peano="$peano" --xclbin-name="$design.xclbin" \
    --npu-insts-name="$design.aiecc.bin" "$design.mlir" || { failed+=("$design"); continue; }
  [[ ${DRY_RUN:-} != 1 ]] || continue
  # Without xclbinutil or bootgen, aiecc ends well and there is none.
  if [[ ! -s $design.xclbin ]]; then
    say "$aiecc made no $design.xclbin, see $PWD/$design.log"
    failed+=("$design")
    continue
  fi
  made+=("$design")
  if [[ ! -s $design.aiecc.bin ]]; then
    say "$design: the compiler wrote no stream to compare with"
  elif ! diff <(meaning "$design.insts.bin") <(meaning "$design.aiecc.bin") >"$design.diff"; then
    say "$design: the compiler's stream differs from Tandem's; see $PWD/$design.diff and report it"
  else
    rm "$design.diff"
  fi
done
[[ ${DRY_RUN:-} != 1 ]] || exit 0
[[ ${#made[@]} -gt 0 ]] || fail "built none of ${#designs[@]} xclbins"

# 4. What was built, and of what.
{
  printf '{\n  "tandem_npu_kernels": 1,\n  "mlir_aie": "%s",\n  "llvm_aie": "%s",\n  "designs": [' \
    "$mlir_aie_version" "$llvm_aie_version"
  comma=""
  for design in "${made[@]}"; do
    printf '%s\n    {"name": "%s", "generation": "%s", "fingerprint": "%s", "xclbin": "%s", "sha256": "%s"}' \
      "$comma" "$design" "$(field generation <"$design.json")" \
      "$(field fingerprint <"$design.json")" "$design.xclbin" \
      "$(sha256sum "$design.xclbin" | cut -d ' ' -f 1)"
    comma=,
  done
  printf '\n  ]\n}\n'
} >manifest.json.part
mv manifest.json.part manifest.json
if [[ ${#failed[@]} -gt 0 ]]; then
  say "built ${#made[@]} of ${#designs[@]} xclbins in $PWD; to report the others, send the .log and .mlir of: ${failed[*]}"
  exit 1
fi
say "built ${#made[@]} xclbins in $PWD; tandem doctor says whether they are found"
