import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { requireModel } from "../../../src/engine/model/catalogue.ts";
import { firstRun } from "../../../src/extension/firstRun.ts";
import type { ModelChoice } from "../../../src/extension/modelChoices.ts";
import { english } from "./localizer.ts";

const model = requireModel("qwen2.5-coder-0.5b-instruct");

function choice(changes: Partial<ModelChoice> = {}): ModelChoice {
  return {
    id: model.name,
    name: model.name,
    where: "absent",
    model,
    place: undefined,
    bytes: model.bytes,
    received: 0,
    memoryBytes: model.memoryBytes,
    speed: undefined,
    head: true,
    fault: undefined,
    current: false,
    recommended: true,
    ...changes,
  };
}

/** A user who clicks the action that begins like `answer`, over several starts of the editor. */
class User {
  readonly asked: { message: string; actions: string[] }[] = [];
  readonly used: { choice: ModelChoice; agreed: boolean }[] = [];
  selections = 0;
  private readonly kept = new Map<string, unknown>();

  constructor(
    private readonly found: readonly ModelChoice[],
    private readonly answer: string | undefined,
  ) {}

  async start(): Promise<void> {
    await firstRun(
      {
        choices: async () => this.found,
        ask: async (message, ...actions) => {
          this.asked.push({ message, actions });
          return actions.find((action) => this.answer !== undefined && action.startsWith(this.answer));
        },
        use: async (picked, agreed) => this.used.push({ choice: picked, agreed }),
        selectModel: async () => this.selections++,
      },
      {
        get: <Value>(key: string) => this.kept.get(key) as Value | undefined,
        update: async (key, value) => void this.kept.set(key, value),
      },
      "huggingface.co",
      english,
    );
  }
}

describe("first run", () => {
  for (const answer of [undefined, "Not Now", "Other Models", "Download"]) {
    it(`asks once and never again after "${answer ?? "the notification was closed"}"`, async () => {
      const user = new User([choice()], answer);
      await user.start();
      await user.start();
      assert.equal(user.asked.length, 1);
      assert.equal(user.used.length, answer === "Download" ? 1 : 0);
      assert.equal(user.selections, answer === "Other Models" ? 1 : 0);
    });
  }

  it("names host, size and licence before anything is fetched", async () => {
    const user = new User([choice()], "Download");
    await user.start();
    for (const part of ["huggingface.co", "491 MB", "Apache-2.0"])
      assert.ok(user.asked[0]?.message.includes(part), part);
    assert.equal(user.asked[0]?.actions[0], "Download 491 MB");
    assert.deepEqual(user.used, [{ choice: choice(), agreed: true }]);
  });

  it("offers what is left of a download, and counts the models that are here already", async () => {
    const begun = choice({ where: "partial", received: 191_400_064 });
    const theirs = choice({ id: "/x", where: "local", model: undefined, recommended: false });
    const user = new User([begun, theirs, { ...theirs, fault: "Broken." }], undefined);
    await user.start();
    assert.equal(user.asked[0]?.actions[0], "Download 300 MB");
    assert.match(user.asked[0].message, /could use instead: 1\.$/);
  });

  it("takes over another program's copy without speaking of a download", async () => {
    const user = new User([choice({ where: "copy", place: "LM Studio" })], "Use It");
    await user.start();
    assert.match(user.asked[0]!.message, /in LM Studio; nothing has to be downloaded/);
    assert.doesNotMatch(user.asked[0]!.message, /huggingface/);
    assert.deepEqual(
      user.used.map(({ agreed }) => agreed),
      [false],
      "it may turn out to be another file",
    );
  });

  it("uses a model that came with Jakiro without asking", async () => {
    const user = new User([choice({ where: "packaged" })], undefined);
    await user.start();
    assert.equal(user.asked.length, 0);
    assert.deepEqual(
      user.used.map(({ agreed }) => agreed),
      [false],
    );
  });

  it("still offers the list where nothing can be recommended", async () => {
    const user = new User([], "Other Models");
    await user.start();
    assert.equal(user.selections, 1);
  });
});

describe("what the extension may contain", () => {
  it("nothing of the command line, and so not the package mirror", () => {
    const files = ["engine", "extension", "protocol"].flatMap((room) =>
      readdirSync(join("src", room), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts"))
        .map((name) => join("src", room, name)),
    );
    assert.ok(files.length > 50);
    for (const file of files) {
      assert.doesNotMatch(readFileSync(file, "utf8"), /(?:from|import\()\s*"[^"]*\/cli\//, file);
    }
  });
});
