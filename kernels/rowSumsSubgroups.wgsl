// What rowSums.wgsl does, with shuffles within subgroups in place of the last barriers. The same pairs are added: the bits are the
// same whatever a subgroup's size.
//
// PARAMETER LANES: u32     lanes that every subgroup has at least, a power of two; they follow each other in the workgroup

enable subgroups;

const threads = 64u;
// Smallest largest magnitude that a row is scaled by: rows of zeros are not divided by zero.
const smallest = 1e-20;
const lanes = min(LANES, threads);

var<workgroup> scratch: array<f32, threads>;

fn sumOver(thread: u32, value: f32) -> f32 {
  scratch[thread] = value;
  workgroupBarrier();
  for (var reach = threads / 2u; reach >= lanes; reach /= 2u) {
    if (thread < reach) {
      scratch[thread] += scratch[thread + reach];
    }
    workgroupBarrier();
  }
  var sum = scratch[thread % lanes];
  for (var reach = lanes / 2u; reach > 0u; reach /= 2u) {
    sum += subgroupShuffleXor(sum, reach);
  }
  workgroupBarrier();
  return sum;
}

fn largestOver(thread: u32, value: f32) -> f32 {
  scratch[thread] = value;
  workgroupBarrier();
  for (var reach = threads / 2u; reach >= lanes; reach /= 2u) {
    if (thread < reach) {
      scratch[thread] = max(scratch[thread], scratch[thread + reach]);
    }
    workgroupBarrier();
  }
  var largest = scratch[thread % lanes];
  for (var reach = lanes / 2u; reach > 0u; reach /= 2u) {
    largest = max(largest, subgroupShuffleXor(largest, reach));
  }
  workgroupBarrier();
  return largest;
}
