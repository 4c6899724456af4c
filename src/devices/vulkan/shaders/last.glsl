// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The end of a dispatch that its last workgroup alone does. Nothing waits for anything: the last one
// to count itself goes on, the others are done.
layout(binding = 7) coherent buffer Counters { uint counters[]; };

// Of this thread in its workgroup: neighbours in a subgroup have neighbouring numbers.
uint Thread() { return gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID; }

// As long as what else is shared is aligned to: RADV then reads that in one piece.
shared uvec4 is_last;

// True in the workgroup that comes here last of `arrivals`, for all its threads, which then see what
// the others have written. Every thread of every workgroup must come here.
bool LastOf(uint arrivals, uint counter) {
  memoryBarrierBuffer();
  barrier();
  if (Thread() == 0) {
    is_last.x = atomicAdd(counters[counter], 1u) + 1;
    if (is_last.x == arrivals) counters[counter] = 0;  // for the next run of the recording
  }
  barrier();
  memoryBarrierBuffer();
  return is_last.x == arrivals;
}
