import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";
import { catalogue } from "../../src/engine/model/catalogue.ts";
import { modelsDirectory } from "../../src/engine/model/paths.ts";
import { type ModelServer, noise, serveModel } from "../unit/modelServer.ts";
import { run, runPackaging } from "../unit/package/project.ts";
import { engineProcesses } from "../workbench/engineProcesses.ts";
import { LoopbackOnly } from "../workbench/loopbackOnly.ts";
import { recital, writeRecitalModel } from "../workbench/recitalModel.ts";
import { repository } from "../workbench/repository.ts";
import { Workbench, type WorkbenchWindow } from "../workbench/workbench.ts";
import { Person } from "./person.ts";

/** Bytes after which the mirror's fifth answer stops. */
const stallAfter = 5e6;
const stalledRequest = 5;
const small = catalogue.find(({ name }) => name.startsWith("smollm2"))!;

/** The VSIX as a stranger gets it, in a real workbench, driven through the browser alone. */
describe("the packaged extension", function () {
  this.timeout(10 * 60_000);
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-e2e-"));
  const folder = join(scratch, "workspace");
  const models = join(scratch, "models");
  let network: LoopbackOnly;
  let mirror: ModelServer;
  let workbench: Workbench;
  let window: WorkbenchWindow;
  let person: Person;

  before(async () => {
    cpSync(join(repository, "test", "vscode", "workspace", "first"), folder, { recursive: true });
    mkdirSync(join(scratch, "own"));
    writeRecitalModel(join(scratch, "own", "recital.gguf"));
    network = new LoopbackOnly(scratch);
    const content = readFileSync(join(modelsDirectory(), small.file));
    mirror = await serveModel(content, [
      { status: 404 },
      { cutAfter: 1e6 },
      { status: 429, retryAfter: "1" },
      { content: noise(content.length) },
      { stallAfter },
      { location: "/elsewhere" },
      { pieces: 1 << 20 },
    ]);
    const packaging = await runPackaging(repository, ["--target", "linux-x64", "--out", scratch]);
    assert.equal(packaging.code, 0, packaging.stderr);
    workbench = await Workbench.start({
      asShipped: true,
      node: network.node,
      settings: {
        "jakiro.models.mirror": mirror.endpoint,
        "jakiro.models.folders": [join(scratch, "own")],
        "workbench.colorTheme": "Default Dark Modern",
        "workbench.secondarySideBar.defaultVisibility": "hidden",
      },
      env: {
        HOME: scratch,
        XDG_CACHE_HOME: join(scratch, "cache"),
        JAKIRO_CACHE_DIR: join(scratch, "cache", "jakiro"),
        JAKIRO_MODELS_DIR: models,
        XDG_RUNTIME_DIR: scratch,
      },
    });
    await workbench.serverCommand(["--install-extension", join(scratch, `jakiro-linux-x64-${version}.vsix`)]);
    window = await workbench.open({ folder });
    person = new Person(window.page);
  });
  after(async () => {
    await workbench?.close();
    await mirror?.close();
    for (const id of engineProcesses(scratch)) process.kill(id, "SIGKILL");
    rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Until then, notifications move. */
  const progressIsGone = () =>
    person.until("the progress is gone", async () => (await person.notifications(/Downloading/)) === 0);
  const present = () => (existsSync(models) ? readdirSync(models) : []);

  it("asks for a model once, naming the host, and downloads nothing unasked", async () => {
    const { host } = new URL(mirror.endpoint);
    const notification = await person.notification(/Jakiro needs a code model/);
    assert.ok((await notification.innerText()).includes(host));
    assert.match((await person.status()).text, /Jakiro: set up/);
    await person.openWalkthrough("Get Started with Jakiro");
    assert.deepEqual(
      await person.walkthrough(),
      walkthrough.map((title) => ({ title, done: false })),
    );
    await person.photograph("first-run");
    assert.deepEqual(mirror.requests, []);
    await person.answer(/Jakiro needs a code model/, "Other Models");
    await person.photograph("select-model");
    await person.pick(small.name);
    const question = await person.question();
    assert.ok(question.includes(`Download ${small.name}?`) && question.includes(host), question);
    await person.photograph("consent");
    assert.deepEqual(mirror.requests, []);
  });

  it("says that there is no network, and goes on where there is one again", async () => {
    await mirror.unplug();
    await person.answerQuestion("Download");
    const failure = await person.notification(/refused the connection/);
    assert.match(await failure.innerText(), /Check the network and try again/);
    await progressIsGone();
    await person.photograph("offline");
    assert.match((await person.status()).text, /Jakiro: set up/);
    await mirror.plugIn();
    await person.answer(/refused the connection/, "Try Again");
  });

  it("says what is wrong with a download, and leaves nothing half-written behind", async () => {
    const failure = await person.notification(/could not be fetched/);
    assert.match(await failure.innerText(), /404/);
    await progressIsGone();
    await person.photograph("download-failed");
    assert.deepEqual(present(), []);
    // Cut off, asked to wait, and then other bytes than the catalogue promises.
    await person.answer(/404/, "Try Again");
    await person.notification(/Downloading/);
    const spoiled = await person.notification(/could not be fetched/);
    assert.match(await spoiled.innerText(), /SHA-256/);
    assert.deepEqual(present(), []);
    assert.ok(mirror.requests.at(-1)!.range, "it went on from where it was cut off");
    await progressIsGone();
  });

  it("can be told to give up a download that stands still, and goes on from there later", async () => {
    await person.answer(/SHA-256/, "Try Again");
    await person.until("the download stands still", async () => mirror.requests.length === stalledRequest);
    const percent = Math.floor((100 * stallAfter) / small.bytes);
    await person.notification(new RegExp(`Downloading .*\\b${percent}\\s%`, "s"));
    await person.photograph("stalled");
    await person.cancelProgress(/Downloading/);
    assert.match((await person.status()).text, /Jakiro: set up/);
    assert.equal(await person.notifications(/could not be fetched/), 0, "who cancels knows it");
    await person.until("it has let go", async () => present().join() === `${small.file}.part`);
    await person.command("Jakiro: Select Model");
    await person.pick(small.name);
    await person.answerQuestion("Download");
    await person.until("it is asked for again", async () => mirror.requests.length > stalledRequest);
    assert.equal(mirror.requests[stalledRequest]!.range, `bytes=${stallAfter}-`);
  });

  it("fetches it from wherever the mirror leads, slowly or not", async () => {
    await person.until("the model is there", async () => present().includes(small.file));
    await person.until("it is chosen", async () => !/set up/.test((await person.status()).text));
    assert.deepEqual(present(), [small.file]);
    assert.equal(mirror.requests.at(-1)!.path, "/elsewhere");
  });

  it("changes to a model that the user has, without a reload", async () => {
    await person.command("Jakiro: Select Model");
    await person.pick("recital");
    await person.openFile("first.ts");
    const { label } = await person.status();
    assert.match(label, /Jakiro/);
  });

  it("shows ghost text while somebody types, and Tab takes it", async () => {
    await person.press("Control+End");
    await person.type("\nfunction f() {\n");
    await person.type(" const ans");
    const ghost = await person.ghostText();
    assert.ok(ghost.startsWith("wer = compute"), ghost);
    await person.photograph("ghost-text");
    await person.press("Tab");
    const [first] = recital;
    await person.until("the text is inserted", async () => (await person.text()).includes(first!.trim()));
  });

  it("completes what an input method composed", async () => {
    await person.press("Control+End");
    await person.type("\n");
    await person.compose(["n", "に", "にh", "にほ", "にほn", "日本"]);
    await person.until("it is in the text", async () => (await person.text()).includes("日本"));
    assert.notEqual((await person.ghostText()).trim(), "");
    await person.photograph("composed");
    await person.press("Escape");
    assert.ok((await person.text()).includes("日本"));
  });

  it("tells its speed in the status item", async () => {
    await person.until("a speed is shown", async () => /tok\/s/.test((await person.status()).text));
    const { text, label } = await person.status();
    assert.match(text, /\d+ tok\/s/);
    assert.match(label, /tokens per second/i);
  });

  it("shows the statistics panel, in every kind of theme", async () => {
    await person.command("Jakiro: Open Statistics");
    const panel = person.page.frameLocator("iframe.webview.ready").last().frameLocator("iframe").last();
    await panel.locator("text=tokens per second").first().waitFor();
    await person.press("Control+1");
    await person.type("\n ver");
    await panel.locator("svg.tree").waitFor();
    assert.equal(await panel.locator("section").count(), 7);
    assert.ok((await panel.locator("[role=img]").count()) >= 5);
    await person.page.setViewportSize({ width: 1280, height: 1700 });
    for (const [theme, kind] of themes) {
      await person.command("Preferences: Color Theme");
      await person.type(theme);
      await person.pick(theme);
      await panel.locator(`body.${kind}`).waitFor();
      await person.photograph(`panel-${kind}`);
    }
    await person.page.setViewportSize({ width: 1280, height: 800 });
  });

  it("takes its walkthrough's steps as done once somebody did them", async () => {
    await person.press("Control+1");
    await person.command("View: Close Editors in Other Groups");
    await person.openWalkthrough("Get Started with Jakiro");
    const undone = "Generate from an instruction";
    assert.deepEqual(
      await person.walkthrough(),
      walkthrough.map((title) => ({ title, done: title !== undone })),
    );
    await person.page.setViewportSize({ width: 1600, height: 800 });
    for (const [index, title] of walkthrough.entries()) {
      await person.walkthroughSteps.filter({ hasText: title }).click();
      await person.photograph(`walkthrough-${index + 1}`);
    }
  });

  it("serves a second window with the same engine process", async () => {
    const before = engineProcesses(scratch);
    assert.equal(before.length, 1);
    const second = new Person((await workbench.open({ folder })).page);
    await second.openFile("total.py");
    await second.until("the extension is there", async () => !/set up/.test((await second.status()).text));
    await second.press("Control+End");
    await second.type("\n const ans");
    assert.match(await second.ghostText(), /^wer = compute/);
    assert.deepEqual(engineProcesses(scratch), before);
  });

  it("has not tried to leave this machine", async () => {
    const attempt =
      'require("net").connect(443, "192.0.2.1").on("error", () => require("dns").lookup("example.org", () => 0))';
    await run(network.node, ["-e", attempt]);
    const foreign = network.attempts.filter(({ process: command }) => !/server-main\.js/.test(command));
    assert.deepEqual(
      foreign.map(({ where }) => where),
      ["192.0.2.1", "example.org"],
      "only what this test tried itself, and what VS Code's server wants of its gallery",
    );
    assert.deepEqual(
      window.foreignRequests.filter((address) => !ofTheEditor.test(address)),
      [],
    );
  });
});

/** The editor's gallery, and the name under which its service worker serves a page's own files. */
const ofTheEditor = /^https:\/\/(open-vsx\.org|[^/]+\.vscode-resource\.vscode-cdn\.net)\//;

const walkthrough = [
  "Choose a model",
  "Type, and accept with Tab",
  "Generate from an instruction",
  "See how fast it is",
];

/** Names of the editor's own themes, with the class that a page of theirs has. */
const themes = [
  ["Dark Modern", "vscode-dark"],
  ["Light Modern", "vscode-light"],
  ["Dark High Contrast", "vscode-high-contrast"],
] as const;
