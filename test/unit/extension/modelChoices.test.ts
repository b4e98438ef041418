import assert from "node:assert/strict";
import { copyFile, mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { catalogue, requireModel } from "../../../src/engine/model/catalogue.ts";
import { localPlaces, packagedModels } from "../../../src/engine/model/localFiles.ts";
import { MeasuredSpeeds } from "../../../src/extension/measuredSpeeds.ts";
import {
  type Inventory,
  type KnownModel,
  type LocalModel,
  type ModelChoice,
  modelChoices,
} from "../../../src/extension/modelChoices.ts";
import { takeInventory } from "../../../src/extension/modelInventory.ts";
import { choiceText, consentText, downloadAddress } from "../../../src/extension/modelText.ts";
import { remedyOf } from "../../../src/extension/remedies.ts";
import { withFolder } from "../modelServer.ts";
import { english } from "./localizer.ts";
import { model } from "./panelSample.ts";

const large = requireModel("qwen2.5-coder-0.5b-instruct");
const small = requireModel("smollm2-135m-instruct");

function known(changes: Partial<KnownModel> = {}): KnownModel {
  return {
    model: large,
    state: "absent",
    received: 0,
    copyIn: undefined,
    packaged: false,
    head: true,
    weights: undefined,
    ...changes,
  };
}

function local(changes: Partial<LocalModel> = {}): LocalModel {
  return {
    path: "/models/other.gguf",
    name: "other",
    place: "LM Studio",
    bytes: 4e9,
    inspection: { usable: true, architecture: "llama", weights: 1e9 },
    ...changes,
  };
}

function choices(changes: Partial<Inventory> = {}): ModelChoice[] {
  return modelChoices({
    known: [known(), known({ model: small, head: false })],
    local: [],
    speeds: {},
    memoryBytes: 16e9,
    current: "",
    ...changes,
  });
}

const named = (list: readonly ModelChoice[], name: string) => list.find((choice) => choice.name === name)!;

describe("model choices", () => {
  it("recommend the largest catalogue model with a head that fits into half of the memory", () => {
    const best = (changes: Partial<Inventory>) => choices(changes).filter(({ recommended }) => recommended);
    assert.deepEqual(
      best({}).map(({ name }) => name),
      [large.name],
    );
    assert.equal(best({ memoryBytes: 2e9 })[0]?.name, small.name);
    assert.equal(best({ memoryBytes: 1e8 })[0]?.name, small.name, "the smallest where none fits");
    const slow = { known: [known({ weights: 5e8 }), known({ model: small, head: false, weights: 1e8 })] };
    assert.equal(best({ ...slow, speeds: { [large.name]: 3 } })[0]?.name, small.name, "too slow here");
    assert.equal(best({ local: [local()] }).length, 1, "only tested models");
  });

  it("come in the order: recommended, here, to be fetched, of no use", () => {
    const inspection = { usable: false, reason: "It is damaged." } as const;
    const list = choices({
      known: [known(), known({ model: small, head: false })],
      local: [local({ path: "/b.gguf", name: "bad", inspection }), local()],
    });
    assert.deepEqual(
      list.map(({ name }) => name),
      [large.name, "other", small.name, "bad"],
    );
    assert.equal(named(list, "bad").fault, "It is damaged.");
    assert.equal(named(list, "bad").memoryBytes, undefined);
  });

  it("estimate speeds by weights, by file size where weights are not known, and not at all without a measurement", () => {
    assert.ok(choices({ local: [local()] }).every(({ speed }) => speed === undefined));
    const measured = { known: [known({ state: "installed", weights: 5e8 }), known({ model: small, head: false })] };
    const list = choices({ ...measured, local: [local()], speeds: { [large.name]: 40 } });
    assert.deepEqual(named(list, large.name).speed, { tokensPerSecond: 40, measured: true });
    assert.deepEqual(named(list, "other").speed, { tokensPerSecond: 20, measured: false });
    const bySize = (40 * large.bytes) / small.bytes;
    assert.deepEqual(named(list, small.name).speed, { tokensPerSecond: bySize, measured: false });
  });

  it("find a local file's own measurement by its file name, as the engine calls it", () => {
    const list = choices({ local: [local()], speeds: { "other.gguf": 17 } });
    assert.deepEqual(named(list, "other").speed, { tokensPerSecond: 17, measured: true });
  });

  it("know the current one by name or path", () => {
    const current = (setting: string) => choices({ local: [local()], current: setting }).filter((c) => c.current);
    assert.deepEqual(
      current(large.name.toUpperCase()).map(({ name }) => name),
      [large.name],
    );
    assert.deepEqual(
      current("/models/other.gguf").map(({ name }) => name),
      ["other"],
    );
    assert.deepEqual(current(""), []);
  });

  const places: [Partial<KnownModel>, ModelChoice["where"], RegExp][] = [
    [{ state: "installed" }, "installed", /^installed/],
    [{ packaged: true, copyIn: "the Jakiro package" }, "packaged", /^comes with Jakiro/],
    [{ copyIn: "Ollama" }, "copy", /^on this machine, in Ollama/],
    [{ state: "partial", received: large.bytes / 2 }, "partial", /^50 % downloaded/],
    [{}, "absent", /^to be downloaded/],
  ];
  for (const [changes, where, text] of places) {
    it(`say that a model is ${where}`, () => {
      const [choice] = choices({ known: [known(changes)] });
      assert.equal(choice?.where, where);
      assert.match(choiceText(choice, english).detail, text);
    });
  }

  it("say size, memory, speed and head in one line", () => {
    const list = choices({ known: [known({ weights: 5e8 })], local: [local()], speeds: { [large.name]: 41.3 } });
    const [first, second] = list.map((choice) => choiceText(choice, english));
    assert.equal(
      first?.detail,
      "to be downloaded · 491 MB · about 1.3 GB of memory · 41 tok/s before drafting, measured here · Jakiro head",
    );
    assert.equal(first.description, "recommended for this machine");
    assert.match(
      second!.detail,
      /^in LM Studio · 4\.0 GB · about 2\.4 GB of memory · about 21 tok\/s .+ · no Jakiro head/,
    );
  });
});

describe("download address", () => {
  const hub = "https://huggingface.co";
  const address = (mirror: string) => downloadAddress(mirror, hub, english);

  it("is the hub's, or the mirror's where one is set, and the consent names it", () => {
    assert.deepEqual(address(""), { endpoint: hub, host: "huggingface.co" });
    const mirror = address(" https://models.example:8443/hub ");
    assert.deepEqual(mirror, { endpoint: "https://models.example:8443/hub", host: "models.example:8443" });
    const consent = consentText(large, mirror.host, english);
    for (const part of ["models.example:8443", "491 MB", "Apache-2.0", large.name]) assert.ok(consent.includes(part));
  });

  for (const mirror of ["models.example", "file:///etc/passwd", "ftp://x", "https://x/?y=1", "https://x/#y"]) {
    it(`refuses ${mirror}, and leads to the setting`, () =>
      assert.throws(
        () => address(mirror),
        (error: Error) => {
          assert.match(error.message, /jakiro\.models\.mirror is not a web address/);
          assert.deepEqual(remedyOf(error, english)?.arguments, ["jakiro.models.mirror"]);
          return true;
        },
      ));
  }
});

describe("model inventory", () => {
  const fixtures = join("test", "fixtures", "models");

  it("finds other programs' files, what the user added, and copies of catalogue models", () =>
    withFolder(async (home) => {
      const studio = join(home, ".lmstudio", "models");
      const packaged = join(home, "package", "models", "bundled");
      const mine = join(home, "mine");
      for (const folder of [studio, packaged, mine]) await mkdir(folder, { recursive: true });
      await copyFile(join(fixtures, "tiny-qwen2.gguf"), join(studio, "theirs.gguf"));
      await copyFile(join(fixtures, "tiny-llama.gguf"), join(mine, "mine.gguf"));
      await writeFile(join(mine, "broken.gguf"), "GGUF");
      await writeFile(join(studio, "smollm.gguf"), "");
      await truncate(join(studio, "smollm.gguf"), small.bytes);
      await writeFile(join(packaged, "qwen.gguf"), "");
      await truncate(join(packaged, "qwen.gguf"), large.bytes);
      const places = [packagedModels(join(home, "package")), ...localPlaces({ JAKIRO_CACHE_DIR: home }, home)];
      const safetensors = join(fixtures, "tiny-llama");
      const inventory = await takeInventory({
        added: [mine, join(home, "gone"), safetensors],
        speeds: {},
        current: join(mine, "mine.gguf"),
        places: places.map((place) => ({ ...place, folders: place.folders.filter((path) => path.startsWith(home)) })),
      });

      assert.deepEqual(
        inventory.local.map(({ name, place, inspection }) => [name, place, inspection.usable]),
        [
          ["broken", undefined, false],
          ["mine", undefined, true],
          ["tiny-llama", undefined, true],
          ["theirs", "LM Studio", true],
        ],
      );
      const [qwen, smol] = [large, small].map(({ name }) =>
        inventory.known.find(({ model: { name: n } }) => n === name),
      );
      // The models folder of this machine may hold the real files.
      if (qwen?.state === "absent") assert.deepEqual([qwen.packaged, qwen.copyIn], [true, "the Jakiro package"]);
      if (smol?.state === "absent") assert.deepEqual([smol.packaged, smol.copyIn], [false, "LM Studio"]);
      assert.equal(inventory.known.length, catalogue.length);
    }));
});

describe("measured speeds", () => {
  it("are those of the last load of each model", () => {
    const kept = new Map<string, unknown>();
    const memory = {
      get: <Value>(key: string) => kept.get(key) as Value | undefined,
      update: async (key: string, value: unknown) => void kept.set(key, value),
    };
    const speeds = new MeasuredSpeeds(memory);
    speeds.note({ kind: "starting" });
    for (const [name, plainTokensPerSecond] of [
      ["a", 10],
      ["b", 20],
      ["a", 12],
      ["c", 0],
    ] as const) {
      speeds.note({ kind: "ready", model: model({ name, plainTokensPerSecond }), busy: false });
    }
    assert.deepEqual(new MeasuredSpeeds(memory).all, { a: 12, b: 20 });
  });
});
