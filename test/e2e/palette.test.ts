import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { catalogue } from "../../src/engine/model/catalogue.ts";
import { engineProcesses } from "../workbench/engineProcesses.ts";
import { recital, writeRecitalModel } from "../workbench/recitalModel.ts";
import { repository } from "../workbench/repository.ts";
import { Workbench } from "../workbench/workbench.ts";
import { Person } from "./person.ts";

const written = recital[0]!.trim();
const [fetched] = catalogue;

/** What a file holds that must come back byte for byte: line ends, tabs, trailing spaces, no line break at the end. */
const original = "const a = 1;\r\n\tconst b = 2; // größer  \r\n\tconst c = 3;\t\r\n\r\nconst d = 4;";

/** Commands of the palette that ask something, in a real window, by the keyboard. */
describe("the palette's commands", function () {
  this.timeout(4 * 60_000);
  this.bail(true);
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-"));
  const folder = join(scratch, "workspace");
  const file = join(folder, "sums.ts");
  const modelFile = join(scratch, "models", fetched!.file);
  const packed = join(scratch, "cache", "packed");
  let workbench: Workbench;
  let person: Person;

  before(async () => {
    for (const path of [folder, join(scratch, "models")]) mkdirSync(path);
    writeFileSync(file, original);
    writeFileSync(join(folder, "other.ts"), "const other = 1;\n");
    writeFileSync(modelFile, Buffer.alloc(3_000_000));
    const model = join(scratch, "recital.gguf");
    writeRecitalModel(model);
    workbench = await Workbench.start({
      settings: { "jakiro.model": model, "jakiro.trace": "text" },
      env: {
        HOME: scratch,
        JAKIRO_CACHE_DIR: join(scratch, "cache"),
        JAKIRO_MODELS_DIR: join(scratch, "models"),
        XDG_RUNTIME_DIR: scratch,
      },
    });
    person = new Person((await workbench.open({ folder, extension: repository })).page);
    await person.openFile("sums.ts");
    await person.until("the model is loaded", async () => engineProcesses(scratch).length === 1 && existsSync(packed));
  });
  after(async () => {
    await workbench?.close();
    for (const id of engineProcesses(scratch)) process.kill(id, "SIGKILL");
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  const lists = (...lines: string[]) =>
    person.until(`the list is ${lines}`, async () => (await person.list()).lines.join() === lines.join());

  /** Selects the file's second and third line and opens the input box on them. */
  async function ask(): Promise<void> {
    await person.press("Control+Home");
    await person.press("ArrowDown");
    for (let line = 0; line < 2; line++) await person.press("Shift+ArrowDown");
    await person.command("Jakiro: Generate from Instruction");
    await person.until(
      "it is about the selection",
      async () => (await person.list()).title === "Rewrite the selected code",
    );
  }

  const isUnderWay = () => person.until("it is under way", () => person.lens("Generating: Cancel").isVisible());
  const isWritten = async () => {
    await person.until("it can be decided on", () => person.lens("Change Instruction").isVisible());
    const text = await person.text();
    assert.ok(text.startsWith("const a = 1;\n") && text.includes(written) && text.endsWith("const d = 4;"), text);
    assert.ok(!text.includes("const b"), text);
  };
  const isOver = () => person.until("nothing is left to decide", async () => (await person.lens("").count()) === 0);

  /** Holds the engine, so that what it is asked meanwhile stays under way. */
  async function whileHeld(act: () => Promise<void>): Promise<void> {
    const [engine] = engineProcesses(scratch);
    process.kill(engine!, "SIGSTOP");
    try {
      await act();
    } finally {
      process.kill(engine!, "SIGCONT");
    }
  }

  /** The file's bytes after what the editor has was saved. */
  async function saved(): Promise<string> {
    assert.ok(await person.isUnsaved());
    await person.press("Control+S");
    await person.until("the file is saved", async () => !(await person.isUnsaved()));
    return readFileSync(file, "utf8");
  }

  it("are there where they apply, and nowhere else", async () => {
    const ofCode = [
      "Generate from Instruction",
      "Generate Below from Comment",
      "Complete Here",
      "Toggle Completions for This Language",
    ];
    const has = async (titles: readonly string[], expected: boolean) => {
      const what = expected ? "there" : "gone";
      for (const title of titles)
        await person.until(
          `${title} is ${what}`,
          async () => (await person.hasCommand(`Jakiro: ${title}`)) === expected,
        );
    };
    await has([...ofCode, "Why No Suggestion?"], true);
    await person.command("Preferences: Open Settings (UI)");
    await has(["Select Model"], true);
    await has([...ofCode, "Why No Suggestion?"], false);
    await person.command("View: Close Editor");
    await has(ofCode, true);
  });

  it("Generate from Instruction writes in the selection's place what Enter sends, and gives the text back byte for byte", async () => {
    await ask();
    await lists();
    await person.type("add them up", 0);
    await person.press("Enter");
    await isWritten();
    await person.lens("Reject").click();
    await isOver();
    assert.equal(await saved(), original);
  });

  it("Generate from Instruction offers what was asked before, and asks again at one click", async () => {
    await ask();
    await lists("add them up");
    await person.type("sum", 0);
    await person.press("Enter");
    await isWritten();
    await whileHeld(async () => {
      await person.lens("Retry").click();
      await isUnderWay();
    });
    await isWritten();
    await person.lens("Reject").click();
    await isOver();
    await ask();
    await lists("sum", "add them up");
    await person.press("Escape");
    assert.equal(await saved(), original);
  });

  it("Generate from Instruction leaves the text alone where it is cancelled before anything was written", async () => {
    await ask();
    await whileHeld(async () => {
      await person.pick("add them up");
      await isUnderWay();
      await person.press("Escape");
      await isOver();
    });
    assert.ok(!(await person.isUnsaved()), "not even touched");
  });

  it("Generate from Instruction keeps what was accepted, above that text alone", async () => {
    await ask();
    await person.press("Enter");
    await isWritten();
    const accept = person.titleAction("Accept");
    await person.until("its title offers to accept it", () => accept.isVisible());
    await person.openFile("other.ts");
    await person.until("another file's does not", async () => (await accept.count()) === 0);
    await person.openFile("sums.ts");
    await person.until("its title offers it again", () => accept.isVisible());
    await accept.click();
    await isOver();
    const text = await saved();
    assert.ok(text.startsWith("const a = 1;\r\n") && text.endsWith("\r\nconst d = 4;"), JSON.stringify(text));
    assert.ok(text.includes(written) && !/[^\r]\n/.test(text), JSON.stringify(text));
  });

  it("Copy Diagnostics copies what a report needs, and nothing of what somebody works on", async () => {
    await person.press("Control+End");
    await person.type("\nconst onlyForTheEngine = 1;\n const ans", 0);
    await person.ghostText();
    await person.command("Jakiro: Copy Diagnostics");
    let text = "";
    await person.until("they are in the clipboard", async () => {
      text = await person.clipboard();
      return text.includes("### Last log lines");
    });
    for (const part of [`- Jakiro: ${version}`, "- editor: ", "- processor: ", '"kind": "ready"', "~/…"]) {
      assert.ok(text.includes(part), `${part} is not in ${text}`);
    }
    for (const part of ["onlyForTheEngine", "add them up", "sums.ts", `${scratch}/`]) {
      assert.ok(!text.includes(part), `${part} is in ${text}`);
    }
  });

  it("Manage Models says what the files take, and removes what was confirmed", async () => {
    const [hash] = readdirSync(packed).map((name) => name.slice(0, 16));
    const [model, weights] = [`${fetched!.name} (model file)`, `${hash} (prepared weights)`];
    await person.command("Jakiro: Manage Models");
    await lists(model, weights);
    assert.match((await person.list()).title, /^Jakiro uses \d[\d.]* MB of disk space$/);
    await person.pick(weights);
    assert.match(await person.question(), new RegExp(`Remove ${hash} \\(prepared weights\\)\\?`));
    await person.answerQuestion("Cancel");
    await lists(model, weights);
    assert.notDeepEqual(readdirSync(packed), []);
    await person.pick(weights);
    await person.question();
    await person.answerQuestion("Remove");
    await lists(model);
    assert.deepEqual(readdirSync(packed), []);
    await person.pick(model);
    await person.question();
    await person.answerQuestion("Remove");
    await person.until("the model file is gone", async () => !existsSync(modelFile));
    await person.until("the list is gone", async () => (await person.list()).title === "");
  });
});
