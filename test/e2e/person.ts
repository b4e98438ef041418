import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { repository } from "../workbench/repository.ts";

const patienceMs = 60_000;

/** What a person at a window does and sees; it knows the editor's looks, not its API. */
export class Person {
  constructor(readonly page: Page) {}

  /** Opens a file of the window's folder and waits for its text. */
  async openFile(name: string): Promise<void> {
    await this.page.waitForSelector(".monaco-workbench .part.editor", { timeout: patienceMs });
    await this.press("Control+P");
    await this.page.waitForSelector(".quick-input-widget:not(.hidden) input");
    await this.page.keyboard.type(name);
    await this.page.waitForSelector(".quick-input-list .monaco-list-row");
    await this.press("Enter");
    await this.page.waitForSelector(`.tab.active[data-resource-name="${name}"]`, { timeout: patienceMs });
    await this.page.waitForSelector(".monaco-editor.focused .view-line");
  }

  /** Types with a person's pauses, line breaks included. */
  async type(text: string, pauseMs = 60): Promise<void> {
    for (const key of text) {
      if (key === "\n") await this.press("Enter");
      else await this.page.keyboard.type(key);
      await this.page.waitForTimeout(pauseMs);
    }
  }

  async press(keys: string): Promise<void> {
    await this.page.keyboard.press(keys);
  }

  /** Runs a command from the palette, by its title. */
  async command(title: string): Promise<void> {
    await this.press("F1");
    const input = await this.page.waitForSelector(".quick-input-widget:not(.hidden) input");
    await input.fill(`>${title}`);
    await this.page.waitForSelector(`.quick-input-list .monaco-list-row[aria-label^="${title}"]`);
    await this.press("Enter");
  }

  /** The suggestion in the editor, waited for. */
  async ghostText(): Promise<string> {
    const texts = async (selector: string) => await this.page.locator(`.monaco-editor ${selector}`).allTextContents();
    let found = "";
    await this.until("a suggestion is shown", async () => {
      const below = await texts(".suggest-preview-text .view-line");
      found = plain([(await texts(".ghost-text-decoration")).join(""), ...below].join("\n"));
      return found.trim() !== "";
    });
    return found;
  }

  /** Lines of the editor that can be seen. */
  async text(): Promise<string> {
    const lines = await this.page.locator(".monaco-editor .view-line").evaluateAll((elements) =>
      elements
        .map((element) => ({ top: element.getBoundingClientRect().top, text: element.textContent ?? "" }))
        .sort((a, b) => a.top - b.top)
        .map(({ text }) => text),
    );
    return plain(lines.join("\n"));
  }

  /** What the status item says, for eyes and for a screen reader. */
  async status(): Promise<{ readonly text: string; readonly label: string }> {
    const item = this.page.locator('.statusbar-item[id*="jakiro"]').first();
    await item.waitFor({ timeout: patienceMs });
    const link = item.locator("a").first();
    return {
      text: plain((await item.textContent()) ?? "").trim(),
      label: (await link.getAttribute("aria-label")) ?? (await item.getAttribute("aria-label")) ?? "",
    };
  }

  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!(await condition())) {
      if (performance.now() > deadline) {
        await this.photograph("waited-in-vain");
        throw new Error(`Waited in vain until ${what}.`);
      }
      await this.page.waitForTimeout(50);
    }
  }

  /** A picture of the window, for people: in out/screenshots. */
  async photograph(name: string): Promise<void> {
    const folder = join(repository, "out", "screenshots");
    mkdirSync(folder, { recursive: true });
    await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }
}

/** The editor draws spaces as no-break spaces. */
function plain(text: string): string {
  return text.replaceAll("\u00a0", " ").replaceAll("\u200b", "");
}
