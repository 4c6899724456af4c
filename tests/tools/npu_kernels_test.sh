#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# tools/npu-kernels.sh without a toolchain, as a dry run, and with one that only pretends.
#   npu_kernels_test.sh TANDEM SOURCE
set -euo pipefail
tandem=$1 source=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset MLIR_AIE_INSTALL_DIR PEANO_INSTALL_DIR GENERATION DRY_RUN TANDEM_NPU_KERNELS
design=gemm-i8-i32-npu1

fail() { echo "npu_kernels_test: $*" >&2; exit 1; }
# has FILE TEXT...: each text is in the file.
has() {
  local file=$1 text
  shift
  for text in "$@"; do grep -qF -- "$text" "$file" || fail "$file lacks: $text"; done
}
build() { "$source/tools/npu-kernels.sh" "$tandem" "$@"; }

# The shell's own programs, and nothing that could be a toolchain.
plain=$folder/plain
mkdir "$plain"
for name in bash sh env awk sed grep cat mv mkdir dirname realpath head cut diff sha256sum rm tee; do
  ln -s "$(command -v $name)" "$plain/$name"
done

# Without: what is missing, which versions, and how to point to them. The text is there.
if PATH=$plain build "$folder/out" "$design" 2>"$folder/err"; then fail "built with nothing"; fi
has "$folder/err" "aiecc of MLIR-AIE (MLIR_AIE_INSTALL_DIR=not set)" "mlir_aie==1.3.4" \
  "llvm-aie==20.0.0" "PEANO_INSTALL_DIR" "xclbinutil" "Python 3.11"
has "$folder/out/$design.mlir" '"aie.device"' '"func.call"' 'link_with = "gemm_kernels.aie2.o"'
[[ -s $folder/out/$design.insts.bin ]] || fail "no stream"
[[ ! -e $folder/out/manifest.json ]] || fail "a manifest of nothing"

# A dry run needs none of it, and runs none of it.
PATH=$plain DRY_RUN=1 GENERATION=npu2 build "$folder/dry" >"$folder/dry.txt" 2>/dev/null
has "$folder/dry.txt" "'--target=aie2p-none-unknown-elf'" "gemm_kernels.aie2p.o" \
  "'--xclbin-name=gemm-i4-i32-npu2.xclbin'" "--no-xchesscc"
[[ $(grep -c gemm_kernels.cc "$folder/dry.txt") == 1 ]] || fail "kernels are compiled once"
[[ $(grep -c aiecc "$folder/dry.txt") -ge 6 ]] || fail "not all designs of npu2"
if PATH=$plain GENERATION=npu3 build "$folder/dry" 2>"$folder/err"; then fail "npu3"; fi
has "$folder/err" "GENERATION=npu3"

# A toolchain that pretends: the files come where they should, and are found.
fake=$folder/fake
mkdir -p "$fake/bin" "$fake/include/aie_api"
touch "$fake/include/aie_api/aie.hpp"
cat >"$fake/bin/clang++" <<'FAKE'
#!/bin/bash
while [[ $# -gt 0 ]]; do [[ $1 != -o ]] || echo object >"$2"; shift; done
FAKE
cat >"$fake/bin/aiecc.py" <<'FAKE'
#!/bin/bash
for one in "$@"; do
  case $one in
    --xclbin-name=*) name=${one#*=} ;;
    --npu-insts-name=*) insts=${one#*=} ;;
    *.mlir) design=${one%.mlir} ;;
  esac
done
[[ $design != *"${NOT_THIS:-none}"* ]] || { echo "error: does not fit"; exit 1; }
cp "$design.insts.bin" "$insts"
# A frame of 464 bytes: the magic, and the length at 0x130.
{ printf 'xclbin2\0'; head -c 296 /dev/zero; printf '\xd0\x01\0\0\0\0\0\0'; head -c 152 /dev/zero; } >"$name"
FAKE
printf '#!/bin/sh\n' >"$fake/bin/xclbinutil"
chmod +x "$fake"/bin/*
MLIR_AIE_INSTALL_DIR=$fake PEANO_INSTALL_DIR=$fake PATH=$fake/bin:$PATH \
  build "$folder/built" "$design" gemm-bf16-f32-npu2 2>"$folder/err" || fail "$(cat "$folder/err")"
has "$folder/built/manifest.json" '"tandem_npu_kernels": 1' "\"xclbin\": \"$design.xclbin\"" \
  '"generation": "npu2"'
[[ -s $folder/built/gemm_kernels.aie2.o && -s $folder/built/gemm_kernels.aie2p.o ]] || fail "objects"
if grep -q "differs" "$folder/err"; then fail "the same stream differs"; fi

# One that cannot be built: the others are, and what to send is said.
if NOT_THIS=bf16 MLIR_AIE_INSTALL_DIR=$fake PEANO_INSTALL_DIR=$fake PATH=$fake/bin:$PATH \
  build "$folder/some" "$design" gemm-bf16-f32-npu1 copy-npu1 2>"$folder/err"; then fail "built all"; fi
has "$folder/err" "this failed, see $folder/some/gemm-bf16-f32-npu1.log: " "built 2 of 3 xclbins" \
  "send the .log and .mlir of: gemm-bf16-f32-npu1"
has "$folder/some/gemm-bf16-f32-npu1.log" "error: does not fit"
has "$folder/some/manifest.json" "\"xclbin\": \"$design.xclbin\"" '"xclbin": "copy-npu1.xclbin"'
if grep -q bf16 "$folder/some/manifest.json"; then fail "the manifest has what was not built"; fi
# All of them: no manifest. A design that does not exist leaves no file.
if NOT_THIS=gemm MLIR_AIE_INSTALL_DIR=$fake PEANO_INSTALL_DIR=$fake PATH=$fake/bin:$PATH \
  build "$folder/none" "$design" 2>"$folder/err"; then fail "built nothing"; fi
has "$folder/err" "built none of 1 xclbins"
[[ ! -e $folder/none/manifest.json ]] || fail "a manifest of nothing"
if build "$folder/none" no-design 2>"$folder/err"; then fail "no-design"; fi
has "$folder/err" "there is no design no-design"
[[ ! -e $folder/none/no-design.json ]] || fail "a file of no design"

# The doctor of a machine with that chip finds them.
device=$folder/machine/sys/bus/pci/devices/0000:c6:00.1
mkdir -p "$device"
echo 0x1022 >"$device/vendor"; echo 0x1502 >"$device/device"; echo 0x00 >"$device/revision"
export TANDEM_SYSTEM_ROOT=$folder/machine TANDEM_NPU_KERNELS=$folder/built
"$tandem" doctor >"$folder/doctor.txt"
has "$folder/doctor.txt" "Phoenix or Hawk Point: cannot be used" "ok device: 1022:1502" \
  "broken driver" "limited xclbin: 1 of "
sed -i 's/"fingerprint": "[0-9a-f]*"/"fingerprint": "0"/' "$folder/built/manifest.json"
"$tandem" doctor >"$folder/doctor.txt"
has "$folder/doctor.txt" "xclbin: of another version of Tandem" \
  "mend it with: make npu-kernels GENERATION=npu1"
"$tandem" doctor --json >"$folder/doctor.json"
has "$folder/doctor.json" '"about": "npu"' '"what": "driver: ' '"what": "xclbin: ' \
  '"generation": "npu1"' '"check": "permission"' '"state": "not reached"'
