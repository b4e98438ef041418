import assert from "node:assert/strict";
import type { ConnectionState } from "../../../src/extension/engine.ts";
import { StoppedNotice } from "../../../src/extension/stoppedNotice.ts";
import { english } from "./localizer.ts";

const stopped = (): ConnectionState => ({ kind: "stopped", message: "It ended too often." });

describe("the notice of a stopped engine", () => {
  let state: ConnectionState;
  let isFocused: boolean;
  let answer: string | undefined;
  let asked: string[][];
  let ran: string[];
  let notice: StoppedNotice;
  beforeEach(() => {
    [state, isFocused, answer, asked, ran] = [stopped(), true, undefined, [], []];
    notice = new StoppedNotice({
      state: () => state,
      isFocused: () => isFocused,
      ask: async (message, ...actions) => {
        asked.push([message, ...actions]);
        return answer;
      },
      run: async (command) => ran.push(command),
      l10n: english,
    });
  });

  it("appears once for each time that the engine stopped", async () => {
    await notice.check();
    await notice.check();
    assert.deepEqual(asked, [["It ended too often.", "Restart Engine", "Show Log"]]);
    assert.deepEqual(ran, []);
    state = { kind: "starting" };
    await notice.check();
    state = stopped();
    await notice.check();
    assert.equal(asked.length, 2);
  });

  it("waits until the window is looked at", async () => {
    isFocused = false;
    await notice.check();
    assert.deepEqual(asked, []);
    isFocused = true;
    await notice.check();
    assert.equal(asked.length, 1);
  });

  for (const [title, command] of [
    ["Restart Engine", "jakiro.restartEngine"],
    ["Show Log", "jakiro.showLog"],
  ] as const) {
    it(`does what "${title}" says`, async () => {
      answer = title;
      await notice.check();
      assert.deepEqual(ran, [command]);
    });
  }
});
