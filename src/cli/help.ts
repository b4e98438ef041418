import {
  benchTable,
  completeTable,
  doctorTable,
  evaluateTable,
  generateTable,
  modelsGetTable,
  modelsListTable,
  serveTable,
} from "./arguments.ts";
import type { Command } from "./command.ts";
import { describeOptions } from "./optionParser.ts";

const floatWeights = `On the processor drafts may change the text of float16 and float32 weights: auto makes none there.`;

export const completeHelp = `jakiro complete FILE|- --line L --character C [options]

Completes the file at the cursor and prints the text to insert. Positions count from 0.

${describeOptions(completeTable)}

${floatWeights}
`;

export const generateHelp = `jakiro generate FILE|- --instruction TEXT [--line L --character C | --from L:C --to L:C] [options]

Writes code from an instruction, at the cursor or instead of a range of the file, and prints the code. Positions count
from 0; without any, the code is for the end of the file.

${describeOptions(generateTable)}

${floatWeights}
`;

export const benchHelp = `jakiro bench --suite FILE [options]

Measures decoding methods against plain decoding, record by record, and checks that their texts are the same.

${describeOptions(benchTable)}

${floatWeights}
`;

export const evaluateHelp = `jakiro evaluate infilling --suite FILE [options]

Counts how often the missing lines are completed exactly as the suite has them.

${describeOptions(evaluateTable)}

${floatWeights}
`;

export const modelsHelp = `jakiro models list | get NAME | remove NAME

  list         known models: size, licence, what is installed, which draft heads ship
  get NAME     puts the model into the model folder: takes a copy that another program has already
               fetched, else downloads it; runs that were cut go on where they stopped
  remove NAME  removes Jakiro's own files of the model; other programs keep theirs

Options of list:
${describeOptions(modelsListTable)}

Options of get:
${describeOptions(modelsGetTable)}

JAKIRO_MODELS_DIR names the model folder, JAKIRO_CACHE_DIR the cache that holds it otherwise.
`;

export const doctorHelp = `jakiro doctor [options]

Shows what runs on this machine, what it costs, and which settings follow from that.

${describeOptions(doctorTable)}
`;

export const serveHelp = `jakiro serve --build NAME

Runs the engine process that editors otherwise start themselves, in the foreground: it serves all windows of this user
and build over a local socket and ends a minute after the last one has gone.

${describeOptions(serveTable)}
`;

export function overview(commands: ReadonlyMap<string, Command>): string {
  const width = Math.max(...[...commands.keys()].map((name) => name.length));
  const lines = [...commands].map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `jakiro COMMAND [options]

Completes code with a local model and lossless speculative decoding.

${lines.join("\n")}

\`jakiro COMMAND --help\` shows a command's options.
Exit codes: 2 usage, 3 file or position, 4 model or head, 5 suite, 6 network, hash or disk, 130 Ctrl-C.
`;
}
