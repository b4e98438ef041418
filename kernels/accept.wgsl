// Walks each sequence's verified tree: from the root to the child that has the chosen token, until none has, the text ends, or no
// more tokens fit. Commits the path, says what happened, and writes the rows of the next round's first forward of the head: the
// accepted tokens with the target's features, last row at the end (row PATH - 1), padding before the first.
//
// sequences    [SEQUENCES]; one that has finished stays as it is
// rows         [SEQUENCES, ROWS] of rerank
// chosen       [SEQUENCES, ROWS] of chooseTokens
// trees        [SEQUENCES] of rerank
// outcomes     [SEQUENCES]
// headRows     [SEQUENCES, PATH]; each carries on a row of the target's features, [SEQUENCES, ROWS]
// headPaths    [SEQUENCES, PATH, PATH] slots of each row's committed predecessors of this round and its own
// Workgroups: [SEQUENCES]. Reference: accept in src/engine/gpu/acceptReference.ts

@group(0) @binding(0) var<storage, read_write> sequences: array<Sequence>;
@group(0) @binding(1) var<storage, read> rows: array<Row>;
@group(0) @binding(2) var<storage, read> chosen: array<u32>;
@group(0) @binding(3) var<storage, read> trees: array<Tree>;
@group(0) @binding(4) var<storage, read_write> outcomes: array<Outcome>;
@group(0) @binding(5) var<storage, read_write> headRows: array<Row>;
@group(0) @binding(6) var<storage, read_write> headPaths: array<u32>;

const threads = 64u;

var<workgroup> tokens: array<u32, ROWS>;
var<workgroup> parents: array<u32, ROWS>;
var<workgroup> draws: array<u32, ROWS>;
var<workgroup> path: array<u32, PATH>;
var<workgroup> count: u32;
var<workgroup> length: u32;
// Rows of the next round's first forward.
var<workgroup> fresh: u32;

fn isEnd(sequence: u32, token: u32) -> bool {
  for (var i = 0u; i < min(sequences[sequence].endCount, 16u); i++) {
    if (sequences[sequence].ends[i] == token) {
      return true;
    }
  }
  return false;
}

// The reason to stop after the walk, 0 for none.
fn walk(s: u32) -> u32 {
  let sequence = &sequences[s];
  let room = sequence.capacity - sequence.length - 1u;
  let limit = min(min(sequence.tokenLimit - sequence.emitted, room), PATH);
  var row = 0u;
  path[0] = 0u;
  count = 1u;
  var ended = isEnd(s, draws[0]);
  // Parents precede children, so one pass meets the whole path.
  for (var next = 1u; next < trees[s].rows && count < limit && !ended; next++) {
    if (parents[next] == row && tokens[next] == draws[row]) {
      row = next;
      path[count] = row;
      count++;
      ended = isEnd(s, draws[row]);
    }
  }
  if (ended) {
    return finishedByEnd;
  }
  if (sequence.emitted + count >= sequence.tokenLimit) {
    return finishedByLength;
  }
  return select(0u, finishedByContext, sequence.length + count + 1u >= sequence.capacity);
}

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let s = group.x;
  let sequence = &sequences[s];
  let outcome = &outcomes[s];
  for (var row = thread; row < ROWS; row += threads) {
    tokens[row] = rows[s * ROWS + row].token;
    parents[row] = u32(rows[s * ROWS + row].parent) - s * ROWS;
    draws[row] = chosen[s * ROWS + row];
  }
  workgroupBarrier();
  if (thread == 0u) {
    length = sequence.length;
    count = 0u;
    fresh = 0u;
    if (sequence.finished == 0u) {
      let finished = walk(s);
      sequence.length = length + count;
      sequence.root = draws[path[count - 1u]];
      sequence.emitted += count;
      sequence.finished = finished;
      fresh = select(0u, count, finished == 0u);
      sequence.rounds++;
    }
    outcome.round = sequence.rounds;
    outcome.count = count;
    outcome.finished = sequence.finished;
    outcome.length = sequence.length;
    outcome.emitted = sequence.emitted;
    outcome.base = sequence.region + length;
    outcome.rows = select(0u, trees[s].rows, count > 0u);
    outcome.drafted = select(0u, trees[s].size, count > 0u);
  }
  workgroupBarrier();

  for (var row = thread; row < ROWS; row += threads) {
    let used = count > 0u && row < trees[s].rows;
    let node = tokens[row] | select(parents[row] << 24u, 0xff000000u, row == 0u);
    outcome.tree[row] = select(0u, node, used);
    outcome.claims[row] = select(0u, trees[s].claims[row], used);
  }
  let headRegion = sequence.headRegion;
  let padding = PATH - fresh;
  for (var i = thread; i < PATH; i += threads) {
    outcome.path[i] = 0u;
    outcome.tokens[i] = 0u;
    if (i < count) {
      outcome.path[i] = path[i];
      outcome.tokens[i] = draws[path[i]];
    }
    let place = s * PATH + i;
    if (i < padding) {
      headRows[place] = paddingRow(s, headRegion, place * PATH);
      headPaths[place * PATH] = headRegion;
      continue;
    }
    let step = i - padding;
    for (var j = 0u; j <= step; j++) {
      headPaths[place * PATH + j] = headRegion + length + j;
    }
    let feature = i32(s * ROWS + path[step]);
    let position = length + step;
    headRows[place] =
      Row(draws[path[step]], position, headRegion, length, place * PATH, headRegion + position, s, feature);
  }
}
