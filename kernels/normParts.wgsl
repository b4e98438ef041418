// What linearNormed leaves of a row's RMS norm and of the router's gates: sums over tiles of columns. Beside a binding `parts`.
//
// PARAMETER HIDDEN: u32    width of the residual stream
// PARAMETER EPSILON: f32
// PARAMETER GATES: u32     gates of the router: experts, then the contrastive two; 0 without a router

const normTiles = (HIDDEN + COLUMNS - 1u) / COLUMNS;
const partsPerTile = GATES + 1u;

// Part 0 is the squares, part g + 1 is gate g.
fn partSum(row: u32, part: u32) -> f32 {
  var sum = 0.0;
  for (var tile = 0u; tile < normTiles; tile++) {
    sum += parts[(row * normTiles + tile) * partsPerTile + part];
  }
  return sum;
}

fn normFactor(squares: f32) -> f32 {
  return 1.0 / sqrt(squares / f32(HIDDEN) + EPSILON);
}
