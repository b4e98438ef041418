import assert from "node:assert/strict";
import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as vscode from "vscode";
import { mayBeContext } from "../../src/extension/contextFiles.ts";
import { newFunction, open, openFile, suggest, until, watchedSuite } from "./extension.ts";

describe("files that are ignored", () => {
  const suite = watchedSuite();

  const folder = (name: string) => vscode.workspace.workspaceFolders!.find((root) => root.name === name)!.uri;
  const place = (...path: string[]) => join(folder("second").fsPath, ...path);

  /** Files of which pieces go along with a request from somewhere else. */
  async function context(): Promise<string[]> {
    await open(`const price = known_price(article) ?? default_price;\n${newFunction()}¦`);
    await suggest(suite.ctx);
    return suite.watch.requests.at(-1)!.snippets.map(({ path }) => path);
  }

  it("are no context where the rule stands above the opened folder", async () => {
    await openFile("first", "hidden/prices.py");
    await openFile("second", "prices.py");
    await until("the other file is read", async () => (await context()).includes("second/prices.py"));
    assert.ok(!(await context()).includes("first/hidden/prices.py"));
  });

  it("are read by nobody, nor is any other file, in a window that is not trusted", async () => {
    const { document } = await openFile("second", "prices.py");
    const git = { isIgnored: async () => false };
    assert.equal(await mayBeContext(document, git, true), true);
    assert.equal(await mayBeContext(document, git, false), false);
  });

  const settings = () => vscode.workspace.getConfiguration("files", folder("second"));
  const rules: readonly (readonly [string, "first" | "second", (name: string) => unknown, string?])[] = [
    [".gitignore", "second", (path) => appendFileSync(place(".gitignore"), `${path}\n`)],
    [".git/info/exclude", "second", (path) => appendFileSync(place(".git", "info", "exclude"), `${path}\n`)],
    ["a .gitignore above the folder", "first", (path) => appendFileSync(place("..", ".gitignore"), `${path}\n`)],
    [
      "the repository's exclude file above the folder",
      "first",
      (path) => appendFileSync(place("..", ".git", "info", "exclude"), `${path}\n`),
    ],
    ["the user's own list", "second", (path) => appendFileSync(place("..", "ignored-by-the-user"), `${path}\n`)],
    [
      "the exclude file that a working tree shares",
      "second",
      (path) => appendFileSync(place("..", "main", ".git", "info", "exclude"), `${path}\n`),
      "linked/",
    ],
    [
      "files.exclude",
      "second",
      (path) => {
        const excluded = settings().inspect<object>("exclude")?.workspaceFolderValue;
        const target = vscode.ConfigurationTarget.WorkspaceFolder;
        return settings().update("exclude", { ...excluded, [path]: true }, target);
      },
    ],
  ];
  for (const [index, [name, root, ignore, below = ""]] of rules.entries()) {
    it(`are forgotten once ${name} says so`, async () => {
      const fileName = `later${index}.py`;
      const path = below + fileName;
      const lines = [`later${index}_prices = {}`, `def known_price${index}(article, default_price):`];
      const text = [...lines, `    return later${index}_prices.get(article) or default_price`, ""].join("\n");
      const file = join(folder(root).fsPath, path);
      writeFileSync(file, text);
      await openFile(root, path);
      await until("the file is read", async () => (await context()).includes(`${root}/${path}`));
      await ignore(fileName);
      await until("the file is forgotten", async () => !(await context()).includes(`${root}/${path}`));
      await openFile(root, path);
      for (let again = 0; again < 3; again++) assert.ok(!(await context()).includes(`${root}/${path}`));
    });
  }
});
