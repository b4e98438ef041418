// Shared declarations, put before every kernel that works on rows of a forward.

// One row of a forward: a new token of some sequence. Keys and values of its own slot are written by this forward.
struct Row {
  token: u32,
  position: u32,    // absolute position in its sequence
  region: u32,      // first KV slot of its sequence
  contiguous: u32,  // positions below this one lie at slot region + position
  path: u32,        // index in `paths` of the slot of position `contiguous`; its own position is the last one
  slot: u32,        // where its own keys and values go; `noSlot` for rows that only fill up a tile
  sequence: u32,    // index of its sequence in the batch
  parent: i32,      // row of its parent in this forward, -1 for a row that hangs on the committed sequence; in a forward of the draft
                    // head, the row of the features that it carries on
}

const noSlot = 0xffffffffu;
