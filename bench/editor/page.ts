import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { repository } from "../../test/workbench/repository.ts";

/** Milliseconds since the epoch, as is every moment here; browser and extension host share the machine's clock. */
export type Moment = number;

/** The suggestion in the editor, whenever that or its line changed on the screen. */
export interface Sight {
  readonly at: Moment;
  /** What is drawn as a suggestion: the rest of the line, then whole lines below; "" where there is none. */
  readonly ghost: string;
  /** The line in which the suggestion begins, without it; undefined where none begins in a line of text. */
  readonly line: string | undefined;
}

export interface SeenInPage {
  /** Moments at which keys went down, as the browser's process got to know of them. */
  readonly keys: readonly Moment[];
  readonly sights: readonly Sight[];
}

/** Watches suggestions appear and keys go down, from now on. */
export async function watch(page: Page): Promise<void> {
  await page.evaluate(readFileSync(join(repository, "bench", "editor", "observer.js"), "utf8"));
}

/** What was seen since it was last taken. */
export async function takeSeen(page: Page): Promise<SeenInPage> {
  return await page.evaluate<SeenInPage>("takeSeen()");
}
