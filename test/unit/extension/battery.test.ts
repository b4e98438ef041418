import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runsOnBattery, saysBattery } from "../../../src/extension/battery.ts";

describe("runsOnBattery", () => {
  const scratch = mkdtempSync(join(tmpdir(), "jakiro-power-"));
  after(() => rmSync(scratch, { recursive: true, force: true }));
  let folders = 0;

  /** A folder as Linux has it: one folder a supply, one file a property. */
  function supplies(...all: Readonly<Record<string, string>>[]): string {
    const folder = join(scratch, String(++folders));
    for (const [index, properties] of all.entries()) {
      const supply = join(folder, `supply${index}`);
      mkdirSync(supply, { recursive: true });
      for (const [name, value] of Object.entries(properties)) writeFileSync(join(supply, name), `${value}\n`);
    }
    return folder;
  }
  const battery = (status: string) => ({ type: "Battery", status });
  const mains = (online: "0" | "1") => ({ type: "Mains", online });

  it("is true where a battery is being emptied and no mains supply is connected", async () => {
    assert.equal(await runsOnBattery("linux", supplies(mains("0"), battery("Discharging"))), true);
    assert.equal(await runsOnBattery("linux", supplies(battery("Discharging"))), true);
  });

  it("is false on mains power, in whatever order they are listed", async () => {
    assert.equal(await runsOnBattery("linux", supplies(battery("Charging"), mains("1"))), false);
    assert.equal(await runsOnBattery("linux", supplies(battery("Discharging"), mains("1"))), false);
    assert.equal(await runsOnBattery("linux", supplies(battery("Full"))), false);
  });

  it("does not count the battery of a mouse", async () => {
    assert.equal(await runsOnBattery("linux", supplies({ ...battery("Discharging"), scope: "Device" })), false);
  });

  it("is false where nothing is known", async () => {
    assert.equal(await runsOnBattery("linux", join(scratch, "missing")), false);
    assert.equal(await runsOnBattery("linux", supplies({})), false);
    assert.equal(await runsOnBattery("win32"), false);
  });

  it("understands what macOS says", () => {
    assert.equal(saysBattery("Now drawing from 'Battery Power'\n -InternalBattery-0\t87%; discharging"), true);
    assert.equal(saysBattery("Now drawing from 'AC Power'\n -InternalBattery-0\t100%; charged"), false);
  });
});
