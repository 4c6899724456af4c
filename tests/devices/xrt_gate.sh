#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# AMD's XRT and its driver for the NPU, unmodified, over the emulated accelerator.
#   tests/devices/xrt_gate.sh BUILD_FOLDER
# Exit status 77, with one line, where tools/fetch-xrt.sh cannot have that XRT.
set -euo pipefail

build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "xrt_gate skipped: $*"; exit 77; }
fail() { echo "xrt_gate: $*" >&2; exit 1; }

[[ -e $build/libtandem_npu_xrt.so ]] || skip "built without XRT's headers: tools/fetch-xrt.sh, then configure anew"
xrt=$("$root/tools/fetch-xrt.sh" 2>&1) || skip "${xrt##*$'\n'}"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
log=$scratch/calls

# A process with this XRT, and an NPU; the wrapper is no such process itself.
export TANDEM_NPU_XRT=$build/libtandem_npu_xrt.so
on() {
  local generation=$1 fault=$2
  shift 2
  : >"$log"
  TANDEM_NPU_SHIM=$generation TANDEM_NPU_SHIM_FAULT=$fault TANDEM_NPU_SHIM_LOG=$log TMPDIR=$scratch \
    LD_PRELOAD=$build/libtandem_npu_shim.so "$@"
}
gate() {
  local generation=$1 fault=$2 tests=$3
  echo "--- $generation, fault '$fault': $tests"
  on "$generation" "$fault" "$xrt/run/with" "$build/tests/npu_xrt_gate" --gtest_brief=1 \
    --gtest_filter="$tests" >"$scratch/out" 2>&1 || { cat "$scratch/out" >&2; fail "$tests failed"; }
  grep -q 'PASSED.* [1-9]' "$scratch/out" || fail "$tests: nothing ran"
}
nothing_open() {
  ! grep -E '^close: ' "$log" | grep -v ' 0 buffers, 0 contexts, 0 syncobjs ' || fail "objects are left open"
  grep -q '^close: ' "$log" || fail "the device was not closed"
}
tandem() { on "$1" "" "$xrt/run/with" "$build/tandem" "${@:2}"; }

for generation in npu1 npu2; do
  # The device is listed, by these calls and no other: heap, its address, firmware, array, heap.
  on $generation "" "$xrt/run/xrt-smi" examine >"$scratch/examine"
  grep -q "RyzenAI-npu" "$scratch/examine" || { cat "$scratch/examine" >&2; fail "xrt-smi does not list the device"; }
  calls=$(grep -o 'ioctl 0x..' "$log" | cut -c 7- | tr '\n' ' ')
  [[ $calls == "0x43 0x44 0x47 0x47 0x09 " ]] || fail "xrt-smi called $calls"
  echo "--- xrt-smi: $(grep RyzenAI "$scratch/examine")"

  gate $generation "" 'Works.*'
  nothing_open
  # A list is one command to the driver.
  gate $generation "" 'Lists.*'
  nothing_open
  commands=$(grep -c '^ioctl 0x46' "$log")
  [[ $commands == 15 ]] || fail "fifteen lists were $commands commands"
  for fault in timeout@3 error@3 nothing@3; do
    gate $generation $fault 'Lists.*'
    nothing_open
  done
  for fault in timeout@3 abort@3 error@3 nothing@3; do
    gate $generation $fault 'FaultOnce.*'
    nothing_open
  done
  for fault in timeout@1+ error@1+ nothing@1+; do
    gate $generation $fault 'FaultAlways.*'
    nothing_open
  done

  # Configurations of ours are containers to AMD's own tool.
  for type in i8 i4 bf16; do
    "$build/tandem" npu xclbin -q --type $type --generation $generation -o "$scratch/x.xclbin"
    "$xrt/run/xclbinutil" --quiet --info --input "$scratch/x.xclbin" >"$scratch/info" || fail "xclbinutil refuses $type"
    grep -q GROUP_TOPOLOGY "$scratch/info" || fail "xclbinutil misses sections of $type"
    tandem $generation npu gemm --device xrt --generation $generation --type $type -m 37 -k 200 -n 300 \
      >"$scratch/out" || fail "gemm $type failed"
    grep -q ': right' "$scratch/out" || fail "gemm $type is wrong"
  done

  for type in i8 i4; do
    tandem $generation npu mlp --device xrt --generation $generation --type $type -m 37 -k 300 --neurons 700 -n 200 \
      >"$scratch/out" || fail "mlp $type failed"
    grep -q ': right' "$scratch/out" || fail "mlp $type is wrong"
  done
  tandem $generation npu attention --device xrt --generation $generation -q 40 --kv 90 --window 64 \
    >"$scratch/out" || fail "attention failed"
  grep -q ': right' "$scratch/out" || fail "attention is wrong"

  # The self-test for owners of hardware.
  tandem $generation npu selftest --device xrt --generation $generation >"$scratch/out" 2>&1 ||
    { cat "$scratch/out" >&2; fail "the self-test failed"; }
  nothing_open
  echo "--- selftest: $(tail -n 1 "$scratch/out")"

  # The same configuration in a container that AMD's tool writes, of the parts that it reads in ours.
  rm -rf "$scratch/theirs" && mkdir "$scratch/theirs"
  (
    cd "$scratch/theirs"
    "$build/tandem" npu xclbin -q --generation $generation -o ours.xclbin
    "$xrt/run/xclbinutil" --quiet --force --input ours.xclbin --dump-section AIE_PARTITION:JSON:partition.json \
      --dump-section MEM_TOPOLOGY:JSON:memory.json
    scalar='"address-qualifier": "SCALAR"' global='"address-qualifier": "GLOBAL", "memory-connection":'
    cat >kernels.json <<JSON
{"ps-kernels": {"kernels": [{"name": "MLIR_AIE", "type": "dpu", "instances": [{"name": "MLIRAIE"}],
  "extended-data": {"subtype": "DPU", "functional": "0", "dpu_kernel_id": "0x901"},
  "arguments": [{"name": "opcode", $scalar, "type": "uint64_t", "offset": "0x00"},
    {"name": "instr", $global "SRAM", "type": "char *", "offset": "0x08"},
    {"name": "ninstr", $scalar, "type": "uint32_t", "offset": "0x10"},
    {"name": "bo0", $global "HOST", "type": "void*", "offset": "0x14"},
    {"name": "bo1", $global "HOST", "type": "void*", "offset": "0x1c"},
    {"name": "bo2", $global "HOST", "type": "void*", "offset": "0x24"}]}]}}
JSON
    "$xrt/run/xclbinutil" --quiet --force --add-replace-section MEM_TOPOLOGY:JSON:memory.json --add-kernel kernels.json \
      --add-replace-section AIE_PARTITION:JSON:partition.json --output gemm-i8-i32-$generation.xclbin
  ) >"$scratch/out" 2>&1 || { cat "$scratch/out" >&2; fail "xclbinutil does not write our configuration"; }
  TANDEM_NPU_KERNELS=$scratch/theirs tandem $generation npu gemm --device xrt --generation $generation \
    -m 37 -k 200 -n 300 | grep -q ': right' || fail "the configuration in AMD's container is wrong"

  # A prompt of a whole model says the same as on the emulator.
  text="Reverse the words: apple fox blue"
  on $generation "" "$xrt/run/with" "$build/tandem" run -q -p "$text" --temp 0 --prefill npu \
    --npu-generation $generation --npu-device xrt >"$scratch/xrt"
  grep -q '^ioctl 0x46' "$log" || fail "no command reached the NPU"
  nothing_open
  "$build/tandem" run -q -p "$text" --temp 0 --prefill npu --npu-generation $generation >"$scratch/emulator"
  cmp "$scratch/xrt" "$scratch/emulator" || fail "the reply is another one"
  echo "--- $generation replies: $(cat "$scratch/xrt")"
  # In the middle of it a command fails: the reply is the same; or all do: exit code 3, no reply.
  for fault in timeout@7 nothing@7 error@7+; do
    code=0
    on $generation $fault "$xrt/run/with" "$build/tandem" run -q -p "$text" --temp 0 --prefill npu \
      --npu-generation $generation --npu-device xrt >"$scratch/xrt" 2>"$scratch/out" || code=$?
    nothing_open
    if [[ $fault == *+ ]]; then
      [[ $code == 3 && ! -s $scratch/xrt ]] && grep -q "given up" "$scratch/out" || fail "$fault in a prompt: exit code $code"
    else
      [[ $code == 0 ]] && cmp "$scratch/xrt" "$scratch/emulator" || fail "$fault in a prompt: exit code $code"
    fi
  done
done

# Hangs and a device that goes away take objects with them.
gate npu1 hang@3 'FaultOnce.*'
gate npu1 hang@1+ 'FaultAlways.*'
gate npu1 gone 'FaultAlways.*'
gate npu1 node 'Absent.NoNode'
gate npu1 denied 'Absent.NoPermission'
gate npu1 memory 'Absent.NoMemory'
gate npu1 memlock 'Absent.Memlock'

# Who asks for the other generation is told the options that ask for this one.
if tandem npu1 npu gemm --device xrt --generation npu2 -m 8 -k 8 -n 8 2>"$scratch/out"; then fail "npu2 on npu1"; fi
grep -q "^hint: --generation npu1; of a model's run --npu-generation npu1" "$scratch/out" ||
  { cat "$scratch/out" >&2; fail "no word of the options"; }
# An emulated device that there is not.
if TANDEM_NPU_SHIM=npu3 LD_PRELOAD=$build/libtandem_npu_shim.so "$build/tandem" npu info >/dev/null 2>"$scratch/out"; then
  fail "npu3"
fi
grep -q "TANDEM_NPU_SHIM: 'npu3'" "$scratch/out" || { cat "$scratch/out" >&2; fail "no word of npu3"; }

# Configurations for others are refused.
mkdir "$scratch/others"
"$build/tandem" npu xclbin -q --generation npu2 -o "$scratch/others/gemm-i8-i32-npu1.xclbin"
if TANDEM_NPU_KERNELS=$scratch/others tandem npu1 npu gemm --device xrt -m 8 -k 8 -n 8 2>"$scratch/out"; then
  fail "an xclbin of another generation was taken"
fi
grep -q "another generation" "$scratch/out" || { cat "$scratch/out" >&2; fail "no word of the generation"; }

# So is what another version built, by its manifest; of this one it is taken without a word.
mkdir "$scratch/built"
"$build/tandem" npu xclbin -q --generation npu1 -o "$scratch/built/gemm-i8-i32-npu1.xclbin"
ours=$("$build/tandem" npu designs gemm-i8-i32-npu1 --json | sed -n 's/.*"fingerprint": "\([0-9a-f]*\)".*/\1/p')
for fingerprint in 0123456789abcdef "$ours"; do
  cat >"$scratch/built/manifest.json" <<JSON
{"tandem_npu_kernels": 1, "mlir_aie": "1.3.4", "designs": [{"name": "gemm-i8-i32-npu1", "generation": "npu1",
  "fingerprint": "$fingerprint", "xclbin": "gemm-i8-i32-npu1.xclbin"}]}
JSON
  code=0
  TANDEM_NPU_KERNELS=$scratch/built tandem npu1 npu gemm --device xrt -m 8 -k 8 -n 8 >"$scratch/out" 2>&1 || code=$?
  if [[ $fingerprint == "$ours" ]]; then
    [[ $code == 0 ]] && ! grep -q manifest "$scratch/out" || { cat "$scratch/out" >&2; fail "our own version: exit code $code"; }
  else
    [[ $code != 0 ]] && grep -q "another version" "$scratch/out" ||
      { cat "$scratch/out" >&2; fail "another version: exit code $code"; }
  fi
done
[[ -z $(ls -d "$scratch"/tandem-npu-shim-* 2>/dev/null) ]] || fail "the emulated device left files"
echo "xrt_gate: all passed"
