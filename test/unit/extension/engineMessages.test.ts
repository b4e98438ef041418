import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { locateModel } from "../../../src/engine/model/installed.ts";
import { writeFailure } from "../../../src/engine/model/partFile.ts";
import { WeightFile } from "../../../src/engine/model/weightFile.ts";
import { asResponse } from "../../../src/engine/server/failures.ts";
import { failureText } from "../../../src/extension/engineWords.ts";
import { engineRemedy } from "../../../src/extension/remedies.ts";
import { english } from "./localizer.ts";

/** What helps on the command line alone. */
const commandLine = /\bjakiro [a-z]+ |JAKIRO_[A-Z]|[ (`]--[a-z]|run the command/;
/** Advice for the command line itself, in the place of which the editor gives its own; what a developer starts by hand. */
const exempt = ["commandLineAdvice", "--build BUILD", "llama-gguf-split"];

/** A statement that holds text which is no comment, with its file and its text. */
function statements(folder: string): [string, string][] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => {
      const code = readFileSync(join(folder, name), "utf8").replace(/^\s*(\/\/|\/?\*).*$/gm, "");
      return code.split(/;\n|\{\n\n/).map((statement): [string, string] => [name, statement]);
    });
}

describe("what the engine says of failures in the editor", () => {
  const literals = (code: string) => code.match(/"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g) ?? [];

  it("advises nothing that only the command line has", () => {
    let both = 0;
    for (const [file, statement] of statements("src/engine")) {
      if (exempt.some((part) => statement.includes(part))) continue;
      if (!literals(statement).some((text) => commandLine.test(text))) continue;
      const inEditor = /inEditor: (`(?:[^`\\]|\\.)*`)/.exec(statement)?.[1];
      assert.ok(inEditor !== undefined, `${file} says this to the editor as well: ${statement.trim()}`);
      assert.doesNotMatch(inEditor, commandLine, file);
      both++;
    }
    assert.ok(both >= 8, `${both} sentences have words for the editor`);
  });

  it("leads to settings that exist", () => {
    const { contributes } = JSON.parse(readFileSync("package.json", "utf8"));
    const settings = Object.keys(contributes.configuration.properties);
    const named = statements("src/engine").flatMap(([, code]) =>
      literals(code)
        .join(" ")
        .match(/\bjakiro\.[a-zA-Z.]+\w/g),
    );
    const remedies = named.flatMap((name) => (name === null || name === "jakiro.md" ? [] : [name]));
    assert.ok(remedies.length > 3);
    for (const name of remedies) {
      assert.ok(settings.includes(name), name);
      assert.deepEqual(engineRemedy(undefined, `Set ${name}.`, english).arguments, [name]);
    }
  });

  it("leads to what helps against a full disk, a folder that cannot be written and a processor that is too old", () => {
    const failed = { kind: "failed", name: "m", message: "" } as const;
    const cases = [
      ["The disk is full while packing the model into /cache; free some space and try again.", "jakiro.manageModels"],
      ["/cache cannot be written (EACCES); check its permissions and restart the engine.", "jakiro.restartEngine"],
      ["It ended at an instruction that this processor does not have.", "jakiro.copyDiagnostics"],
      ["The file is damaged; fetch it again.", "jakiro.selectModel"],
    ] as const;
    for (const [message, command] of cases) assert.equal(engineRemedy(failed, message, english).command, command);
  });

  it("takes no file's name for a setting", () => {
    const failed = { kind: "failed", name: "m", message: "" } as const;
    for (const path of ["/e/jakiro.jakiro-0.1.0/m.gguf", "/m/my jakiro.device.gguf", "jakiro.headless"]) {
      const { command } = engineRemedy(failed, `${path} is damaged; fetch it again.`, english);
      assert.equal(command, "jakiro.selectModel", path);
    }
  });

  it("is what the server sends and what parts of it say here", async () => {
    const caught = async (act: () => unknown) => {
      try {
        await act();
      } catch (error) {
        return error;
      }
      throw new Error("It went well.");
    };
    const failures = [
      await caught(() => locateModel("qwen2.5-coder-0.5b-instruct", "/nowhere")),
      await caught(() => WeightFile.open("/nowhere/m.gguf")),
      writeFailure({ code: "ENOSPC" }, "/full"),
      writeFailure({ code: "EACCES" }, "/locked"),
    ];
    for (const failure of failures) {
      const said = failureText(failure);
      assert.match((failure as Error).message, commandLine);
      assert.doesNotMatch(said, commandLine);
      assert.equal(asResponse(failure, () => undefined).message, said);
    }
    assert.equal(failureText("odd"), "odd");
  });
});
