import assert from "node:assert/strict";
import { engineEnvironment } from "../../../src/extension/engineProcess.ts";
import { type RuntimeChoice, type RuntimeMachine, resolveRuntime } from "../../../src/extension/engineRuntime.ts";

const script = "/ext/dist/engine.js";
const choice: RuntimeChoice = { workspaceFolders: ["/project"], trusted: true };

interface Machine extends Partial<Pick<RuntimeMachine, "platform" | "searchPath">> {
  /** Executables and their versions; "" for one that cannot be run. */
  readonly executables: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
}

/** The command that was chosen, why others were not, and what was run to find out. */
async function resolved(wanted: Partial<RuntimeChoice>, { executables, links = {}, ...rest }: Machine) {
  const notes: string[] = [];
  const tried: string[] = [];
  const runtime = await resolveRuntime(
    rest.platform === "win32" ? "C:\\ext\\dist\\engine.js" : script,
    { ...choice, ...wanted },
    {
      platform: "linux",
      searchPath: "/usr/bin",
      editor: { path: "/usr/share/code/code", electron: true },
      isExecutable: async (path) => path in executables,
      realPath: async (path) => links[path] ?? path,
      version: async (path) => {
        tried.push(path);
        return executables[path] || undefined;
      },
      ...rest,
    },
    { info: (line) => notes.push(line), trace: () => undefined },
  );
  return { ...runtime, tried, notes: notes.join("\n") };
}

const shipped = { "/ext/dist/node/bin/node": "v24.1.0" };
const onPath = { "/usr/bin/node": "v20.0.0" };

describe("engine runtime", () => {
  it("takes the setting before the Node that ships, that before PATH, and the editor last", async () => {
    const setting = "/opt/node";
    const all = { [setting]: "v22.0.0", ...shipped, ...onPath };
    assert.equal((await resolved({ setting }, { executables: all })).command, setting);
    assert.equal((await resolved({}, { executables: all })).command, "/ext/dist/node/bin/node");
    assert.equal((await resolved({}, { executables: onPath })).command, "/usr/bin/node");
    const { command, environment, notes } = await resolved({}, { executables: {} });
    assert.equal(command, "/usr/share/code/code");
    assert.deepEqual(environment, { ELECTRON_RUN_AS_NODE: "1" });
    assert.match(
      notes,
      /settings is passed over: none.*\n.*ships.*no such file.*\n.*PATH.*\n.*own executable \(CPU only\)/,
    );
  });

  for (const [setting, version, reason] of [
    ["node", "v22.0.0", /its path is not absolute/],
    ["/missing/node", undefined, /there is no such file that may be executed/],
    ["/old/node", "v18.20.0", /version 20 or later is needed, and it is v18\.20\.0/],
    ["/other/tool", "tool 3.1", /it cannot be run/],
    ["/foreign/node", "", /it cannot be run/],
  ] as const) {
    it(`passes over the setting ${setting} (${version ?? "missing"})`, async () => {
      const executables = { ...shipped, ...(version === undefined ? {} : { [setting]: version }) };
      const { command, notes } = await resolved({ setting }, { executables });
      assert.equal(command, "/ext/dist/node/bin/node");
      assert.match(notes, reason);
    });
  }

  it("passes over entries of PATH that are relative or inside the workspace without running what is there", async () => {
    const executables = {
      "node_modules/.bin/node": "v22.0.0",
      "/project/node_modules/.bin/node": "v22.0.0",
      "/home/me/bin/node": "v22.0.0",
      "/real/project/bin/node": "v22.0.0",
      "/workshop/bin/node": "v22.0.0",
    };
    const { command, tried, notes } = await resolved(
      {},
      {
        executables,
        searchPath:
          ":.:node_modules/.bin:/project/node_modules/.bin:/home/me/bin:/real/project/bin:/none:/workshop/bin",
        links: { "/project": "/real/project", "/home/me/bin/node": "/real/project/tools/node" },
      },
    );
    assert.equal(command, "/workshop/bin/node");
    assert.deepEqual(tried, ["/workshop/bin/node"]);
    assert.equal(notes.match(/not absolute/g)?.length, 3);
    assert.equal(notes.match(/inside the workspace/g)?.length, 3);
  });

  it("passes over a Node on PATH that is too old for the next one", async () => {
    const executables = { "/usr/bin/node": "v12.22.9", "/opt/bin/node": "v22.0.0" };
    assert.equal((await resolved({}, { executables, searchPath: "/usr/bin:/opt/bin" })).command, "/opt/bin/node");
  });

  it("compares folders as Windows does", async () => {
    const { command } = await resolved(
      { workspaceFolders: ["C:\\Work"] },
      {
        platform: "win32",
        executables: { "c:\\work\\bin\\node.exe": "v22.0.0", "D:\\node\\node.exe": "v22.0.0" },
        searchPath: "c:\\work\\bin;bin;D:\\node",
      },
    );
    assert.equal(command, "D:\\node\\node.exe");
    const executables = { "C:\\ext\\dist\\node\\node.exe": "v24.0.0" };
    const withShipped = await resolved({}, { platform: "win32", executables, searchPath: "" });
    assert.equal(withShipped.command, "C:\\ext\\dist\\node\\node.exe");
  });

  it("runs nothing but what ships in a workspace that is not trusted", async () => {
    const executables = { "/opt/node": "v22.0.0", ...onPath };
    const untrusted = { setting: "/opt/node", trusted: false };
    assert.equal((await resolved(untrusted, { executables })).command, "/usr/share/code/code");
    const { command, tried } = await resolved(untrusted, { executables: { ...executables, ...shipped } });
    assert.equal(command, "/ext/dist/node/bin/node");
    assert.deepEqual(tried, [command]);
  });

  it("names no path in what everybody may read", async () => {
    const { notes } = await resolved({ setting: "/home/me/node" }, { executables: { "/home/me/node": "v1.0.0" } });
    assert.doesNotMatch(notes, /\/(home|usr|ext)/);
  });

  it("keeps the editor's own variables from the engine", () => {
    const kept = { PATH: "/bin", HOME: "/home/me", JAKIRO_CACHE_DIR: "/c", NODE_EXTRA_CA_CERTS: "/ca" };
    const own = { ELECTRON_RUN_AS_NODE: "1", VSCODE_PID: "1", vscode_ipc_hook: "/x", NODE_OPTIONS: "--require /x" };
    assert.deepEqual(engineEnvironment({ ...kept, ...own }), kept);
  });
});
