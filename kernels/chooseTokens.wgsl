// The next token of each verification row: the most probable one, or one drawn after temperature, top-k and top-p by inverse CDF
// over ascending ids at the number of (seed, absolute position), as src/engine/decoding/sampling.ts defines.
//
// Weights are integers in units of 2^-40 of the largest one's and every sum of them is exact: no choice depends on the order of a
// sum, hence on how many rows there are or on the device.
//
// logits      [rows, VOCABULARY] float32; VOCABULARY at most 2^18
// maxima      [rows, tiles] of logitMaxima
// rows        the verification's rows: padding rows get token 0
// sequences   [SEQUENCES] sampling options
// powers      [1025] 2^31 * 2^(-i / 1024), rounded
// chosen      [rows] u32
// Workgroups: [rows]. Reference: chooseToken in src/engine/gpu/samplingReference.ts
//
// PARAMETER VOCABULARY: u32

@group(0) @binding(0) var<storage, read> logits: array<u32>;
@group(0) @binding(1) var<storage, read> maxima: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read> rows: array<Row>;
@group(0) @binding(3) var<storage, read> sequences: array<Sequence>;
@group(0) @binding(4) var<storage, read> powers: array<u32>;
@group(0) @binding(5) var<storage, read_write> chosen: array<u32>;

const threads = 256u;
const tiles = (VOCABULARY + 4095u) / 4096u;
// A thread's own ids are consecutive: its sums are parts of the cumulative distribution.
const share = (VOCABULARY + threads - 1u) / threads;
const bins = 1024u;
const binsPerThread = bins / threads;
// Digits of a key, from the top: their lowest bits, and how many values they have.
const shifts = array<u32, 4>(22u, 12u, 2u, 0u);
const radices = array<u32, 4>(1024u, 1024u, 1024u, 4u);

var<workgroup> limbs: array<array<atomic<u32>, bins>, 3>;
var<workgroup> sums: array<vec2<u32>, threads>;
var<workgroup> foundBin: u32;
var<workgroup> foundAbove: vec2<u32>;
// A token is kept if its key is above `cutKey`, or equal and its id below `cutEnd`.
var<workgroup> cutKey: u32;
var<workgroup> cutEnd: u32;

var<private> row: u32;
var<private> maximumKey: u32;
var<private> sharpness: f32;
var<private> firstId: u32;
var<private> endId: u32;

fn keyOf(id: u32) -> u32 {
  return orderKey(logits[row * VOCABULARY + id]);
}

fn isKept(key: u32, id: u32) -> bool {
  return key > cutKey || (key == cutKey && id < cutEnd);
}

// 2^40 * exp((logit - maximum) / temperature), rounded down by less than one part in 2^20.
fn weightOf(key: u32) -> vec2<u32> {
  if (key == maximumKey) {
    return vec2(0u, 256u);
  }
  let steps = (orderedValue(maximumKey) - orderedValue(key)) * sharpness;
  if (key <= lowestKey || !(steps < 42991616.0)) {
    return vec2(0u, 0u);
  }
  let whole = u32(steps);
  let fine = whole & 1023u;
  let coarse = (whole >> 10u) & 1023u;
  let upper = powers[coarse];
  let weight = upper - (((upper - powers[coarse + 1u]) * fine) >> 10u);
  let halvings = whole >> 20u;
  if (halvings < 9u) {
    return vec2(weight << (9u - halvings), weight >> (23u + halvings));
  }
  return vec2(weight >> (halvings - 9u), 0u);
}

fn measureOf(key: u32, byMass: bool) -> vec2<u32> {
  if (byMass) {
    return weightOf(key);
  }
  return vec2(1u, 0u);
}

// Leaves in `sums` the sums over all threads up to and with each one's.
fn accumulate(thread: u32, own: vec2<u32>) {
  workgroupBarrier();
  sums[thread] = own;
  for (var reach = 1u; reach < threads; reach *= 2u) {
    workgroupBarrier();
    var sum = sums[thread];
    if (thread >= reach) {
      sum = add64(sum, sums[thread - reach]);
    }
    workgroupBarrier();
    sums[thread] = sum;
  }
  workgroupBarrier();
}

fn keptMass(thread: u32) {
  var mass = vec2(0u, 0u);
  for (var id = firstId; id < endId; id++) {
    let key = keyOf(id);
    if (isKept(key, id)) {
      mass = add64(mass, weightOf(key));
    }
  }
  accumulate(thread, mass);
}

// Narrows what is kept to the best tokens whose number or mass reaches the goal: digit by digit, the key of the last one.
fn keepBest(thread: u32, goal: vec2<u32>, byMass: bool) {
  var prefix = 0u;
  var above = vec2(0u, 0u);
  for (var digit = 0u; digit < 4u; digit++) {
    for (var i = thread; i < 3u * bins; i += threads) {
      atomicStore(&limbs[i / bins][i % bins], 0u);
    }
    if (thread == 0u) {
      foundBin = 0u;
      foundAbove = above;
    }
    workgroupBarrier();
    for (var id = firstId; id < endId; id++) {
      let key = keyOf(id);
      if (!isKept(key, id) || (digit > 0u && (key >> shifts[(digit + 3u) % 4u]) != prefix)) {
        continue;
      }
      let bin = (key >> shifts[digit]) & (radices[digit] - 1u);
      let measure = measureOf(key, byMass);
      // Sums of 2^18 limbs of 14 bits fit into 32 bits.
      let parts = vec3(measure.x & 0x3fffu, (measure.x >> 14u) & 0x3fffu, (measure.x >> 28u) | (measure.y << 4u));
      for (var i = 0u; i < 3u; i++) {
        if (parts[i] > 0u) {
          atomicAdd(&limbs[i][bin], parts[i]);
        }
      }
    }
    workgroupBarrier();
    var masses: array<vec2<u32>, binsPerThread>;
    var own = vec2(0u, 0u);
    for (var i = 0u; i < binsPerThread; i++) {
      let bin = bins - 1u - (thread * binsPerThread + i);
      let low = vec2(atomicLoad(&limbs[0][bin]), 0u);
      let middle = atomicLoad(&limbs[1][bin]);
      let high = atomicLoad(&limbs[2][bin]);
      masses[i] = add64(add64(low, vec2(middle << 14u, middle >> 18u)), vec2(high << 28u, high >> 4u));
      own = add64(own, masses[i]);
    }
    accumulate(thread, own);
    var before = add64(above, subtract64(sums[thread], own));
    for (var i = 0u; i < binsPerThread; i++) {
      let reached = add64(before, masses[i]);
      if (less64(before, goal) && !less64(reached, goal)) {
        foundBin = bins - 1u - (thread * binsPerThread + i);
        foundAbove = before;
      }
      before = reached;
    }
    workgroupBarrier();
    prefix = prefix * radices[digit] + foundBin;
    above = foundAbove;
    workgroupBarrier();
  }

  // Of equal logits the smaller ids.
  var ties = 0u;
  for (var id = firstId; id < endId; id++) {
    let key = keyOf(id);
    ties += u32(key == prefix && isKept(key, id));
  }
  accumulate(thread, vec2(ties, 0u));
  let each = measureOf(prefix, byMass);
  var rank = sums[thread].x - ties;
  let last = less64(add64(above, multiply64(each, rank)), goal) && !less64(add64(above, multiply64(each, rank + ties)), goal);
  var end = 0u;
  if (last) {
    for (var id = firstId; id < endId && end == 0u; id++) {
      let key = keyOf(id);
      if (key == prefix && isKept(key, id)) {
        rank++;
        if (!less64(add64(above, multiply64(each, rank)), goal)) {
          end = id + 1u;
        }
      }
    }
  }
  workgroupBarrier();
  if (thread == 0u) {
    cutKey = prefix;
    cutEnd = 0u;
  }
  workgroupBarrier();
  if (last) {
    cutEnd = end;
  }
  workgroupBarrier();
}

// 64 random bits of a seed and a position: Philox2x32-10, as in src/engine/decoding/random.ts.
fn randomBits(seedLow: u32, seedHigh: u32, position: u32) -> vec2<u32> {
  var low = position;
  var high = seedHigh;
  var key = seedLow;
  for (var i = 0u; i < 10u; i++) {
    let product = multiply32(0xd256d193u, low);
    low = product.y ^ key ^ high;
    high = product.x;
    key += 0x9e3779b9u;
  }
  return vec2(high, low);
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  row = group.x;
  let place = rows[group.x];
  if (place.slot == noSlot) {
    if (thread == 0u) {
      chosen[row] = 0u;
    }
    return;
  }
  var best = vec2(lowestKey, 0u);
  for (var i = thread; i < tiles; i += threads) {
    let other = maxima[row * tiles + i];
    if (precedes(other.x, other.y, best.x, best.y)) {
      best = other;
    }
  }
  sums[thread] = best;
  for (var reach = threads / 2u; reach > 0u; reach /= 2u) {
    workgroupBarrier();
    if (thread < reach) {
      let other = sums[thread + reach];
      let mine = sums[thread];
      if (precedes(other.x, other.y, mine.x, mine.y)) {
        sums[thread] = other;
      }
    }
  }
  if (thread == 0u) {
    cutKey = 0u;
    cutEnd = 0u;
  }
  workgroupBarrier();
  let options = sequences[place.sequence];
  if (options.sharpness == 0.0) {
    if (thread == 0u) {
      chosen[row] = sums[0].y;
    }
    return;
  }
  maximumKey = sums[0].x;
  sharpness = options.sharpness;
  firstId = min(thread * share, VOCABULARY);
  endId = min(firstId + share, VOCABULARY);

  for (var step = 0u; step < 2u; step++) {
    let byMass = step == 1u;
    var goal = vec2(options.topK, 0u);
    if (byMass) {
      if (options.topP == 0u) {
        continue;
      }
      keptMass(thread);
      goal = scale64(sums[threads - 1u], options.topP);
    } else if (options.topK == 0u || options.topK >= VOCABULARY) {
      continue;
    }
    keepBest(thread, goal, byMass);
  }
  keptMass(thread);
  let total = sums[threads - 1u];
  let goal = multiplyHigh64(randomBits(options.seedLow, options.seedHigh, place.position + 1u), total);
  var cumulative = vec2(0u, 0u);
  if (thread > 0u) {
    cumulative = sums[thread - 1u];
  }
  if (maximumKey <= lowestKey) {
    if (thread == 0u) {
      chosen[row] = 0u;
    }
    return;
  }
  if (less64(goal, cumulative) || !less64(goal, sums[thread])) {
    return;
  }
  for (var id = firstId; id < endId; id++) {
    let key = keyOf(id);
    if (isKept(key, id)) {
      cumulative = add64(cumulative, weightOf(key));
      if (less64(goal, cumulative)) {
        chosen[row] = id;
        return;
      }
    }
  }
}
