// Shared declarations of what a sequence of the batch is; src/engine/gpu/roundLayout.ts has the same offsets.

// What the host asks of a sequence, and how far it is.
struct Sequence {
  region: u32,       // first KV slot of the target
  capacity: u32,     // its KV slots
  headRegion: u32,   // first KV slot of the draft head
  nodes: u32,        // rows to verify, root included
  tokenLimit: u32,   // most tokens to emit
  topK: u32,         // 0 keeps all
  topP: u32,         // in units of 2^-32; 0 keeps all
  sharpness: f32,    // steps of 2^-20 in the binary logarithm of the weight per unit of logit; 0 is greedy
  seedLow: u32,
  seedHigh: u32,
  endCount: u32,
  ends: array<u32, 16>,
  length: u32,       // committed tokens
  root: u32,         // the token after them
  emitted: u32,      // tokens since the request began
  finished: u32,     // 0: rounds go on
  rounds: u32,       // rounds that changed it
}

const finishedByEnd = 1u;
const finishedByLength = 2u;
const finishedByContext = 3u;
