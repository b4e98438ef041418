// Sums and largest values over one workgroup, in one fixed order. Put before kernels that have a workgroup for each row; where the
// device has subgroups, rowSumsSubgroups.wgsl takes its place.

const threads = 64u;
// Smallest largest magnitude that a row is scaled by: rows of zeros are not divided by zero.
const smallest = 1e-20;

var<workgroup> scratch: array<f32, threads>;

fn sumOver(thread: u32, value: f32) -> f32 {
  scratch[thread] = value;
  workgroupBarrier();
  for (var reach = threads / 2u; reach > 0u; reach /= 2u) {
    if (thread < reach) {
      scratch[thread] += scratch[thread + reach];
    }
    workgroupBarrier();
  }
  let sum = scratch[0];
  workgroupBarrier();
  return sum;
}

fn largestOver(thread: u32, value: f32) -> f32 {
  scratch[thread] = value;
  workgroupBarrier();
  for (var reach = threads / 2u; reach > 0u; reach /= 2u) {
    if (thread < reach) {
      scratch[thread] = max(scratch[thread], scratch[thread + reach]);
    }
    workgroupBarrier();
  }
  let largest = scratch[0];
  workgroupBarrier();
  return largest;
}
