import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JakiroError, RemedyName } from "../../../src/engine/errors.ts";
import { locateModel } from "../../../src/engine/model/installed.ts";
import { writeFailure } from "../../../src/engine/model/partFile.ts";
import { WeightFile } from "../../../src/engine/model/weightFile.ts";
import { asResponse } from "../../../src/engine/server/failures.ts";
import { EngineFailure } from "../../../src/extension/engine.ts";
import { failureText } from "../../../src/extension/engineWords.ts";
import { engineRemedy, remedyOf } from "../../../src/extension/remedies.ts";
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

  it("leads to the settings that it names, which exist", () => {
    const { contributes } = JSON.parse(readFileSync("package.json", "utf8"));
    const settings = Object.keys(contributes.configuration.properties);
    const naming = statements("src/engine").flatMap(([file, code]) => {
      const names = literals(code)
        .join(" ")
        .match(/\bjakiro\.(?!md\b)[a-zA-Z.]+\w/g);
      return names === null ? [] : [{ file, code, name: names[0] }];
    });
    assert.ok(naming.length > 3);
    for (const { file, code, name } of naming) {
      const named = /remedy: "(\w+)"/.exec(code)?.[1];
      assert.ok(named !== undefined, `${file} names ${name}`);
      assert.deepEqual(engineRemedy(named as RemedyName, undefined, english).arguments, [name], file);
      assert.ok(settings.includes(name), name);
    }
  });

  it("leads to another model where one has failed, else to another start, unless something else is named", () => {
    const failed = { kind: "failed", name: "m", message: "" } as const;
    const command = (...args: Parameters<typeof engineRemedy>) => engineRemedy(...args).command;
    assert.equal(command(undefined, failed, english), "jakiro.selectModel");
    assert.equal(command(undefined, { kind: "stopped", message: "" }, english), "jakiro.restartEngine");
    assert.equal(command(undefined, undefined, english), "jakiro.restartEngine");
    for (const [named, expected] of [
      ["files", "jakiro.manageModels"],
      ["restart", "jakiro.restartEngine"],
      ["report", "jakiro.copyDiagnostics"],
      ["device", "workbench.action.openSettings"],
    ] as const)
      assert.equal(command(named, failed, english), expected);
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
    ] as JakiroError[];
    for (const failure of failures) {
      const said = failureText(failure);
      assert.match(failure.message, commandLine);
      assert.doesNotMatch(said, commandLine);
      const { message, data } = asResponse(failure, () => undefined);
      assert.deepEqual([message, data?.remedy], [said, failure.remedy]);
    }
    assert.equal(failureText("odd"), "odd");
    const [, , full, locked] = failures;
    assert.equal(remedyOf(full, english)?.command, "jakiro.manageModels");
    assert.equal(remedyOf(locked, english), undefined);
    assert.equal(remedyOf(new EngineFailure("", "report"), english)?.command, "jakiro.copyDiagnostics");
  });
});
