import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { repository } from "../workbench/repository.ts";

const patienceMs = 60_000;
/** Notifications and lists fade in. */
const settleMs = 400;

/** What a person at a window does and sees; it knows the editor's looks, not its API. */
export class Person {
  constructor(readonly page: Page) {}

  /** Opens a file of the window's folder and waits for its text. */
  async openFile(name: string): Promise<void> {
    await this.page.waitForSelector(".monaco-workbench .part.editor", { timeout: patienceMs });
    await this.press("Control+P");
    await this.page.waitForSelector(".quick-input-widget:not(.hidden) input");
    await this.page.keyboard.type(name);
    await this.page.locator(`.quick-input-list .monaco-list-row[aria-label^="${name}"]`).first().click();
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

  /** Composes text as an input method does, stage by stage; the last one is what it commits. */
  async compose(stages: readonly string[], pauseMs = 60): Promise<void> {
    const devtools = await this.page.context().newCDPSession(this.page);
    for (const text of stages) {
      await devtools.send("Input.imeSetComposition", { text, selectionStart: text.length, selectionEnd: text.length });
      await this.page.waitForTimeout(pauseMs);
    }
    await devtools.send("Input.insertText", { text: stages.at(-1)! });
    await devtools.detach();
  }

  async press(keys: string): Promise<void> {
    await this.page.keyboard.press(keys);
  }

  /** Runs a command from the palette, by its title. */
  async command(title: string): Promise<void> {
    await this.press("F1");
    const input = await this.page.waitForSelector(".quick-input-widget:not(.hidden) input");
    await input.fill(`>${title}`);
    await this.page.locator(`.quick-input-list .monaco-list-row[aria-label^="${title}"]`).first().click();
  }

  /** Whether the palette has a command of this title where the window is now. */
  async hasCommand(title: string): Promise<boolean> {
    await this.press("F1");
    const input = await this.page.waitForSelector(".quick-input-widget:not(.hidden) input");
    await input.fill(`>${title}`);
    const found = async () => (await this.list()).lines.includes(title);
    // What stands there instead of what was looked for.
    const others = this.page.locator(".quick-input-list").getByText(/^(similar commands|No matching commands)$/);
    await this.until("the palette has searched", async () => (await found()) || (await others.count()) > 0);
    const has = await found();
    await this.press("Escape");
    return has;
  }

  /** Picks the line of the open list that begins with a text. */
  async pick(label: string): Promise<void> {
    const line = this.page.locator(".quick-input-list .monaco-list-row").filter({ hasText: label }).first();
    await this.visible(line, `the list has ${label}`);
    await line.click();
  }

  /** The title of the open list, and its lines; nothing where none is open. */
  async list(): Promise<{ readonly title: string; readonly lines: readonly string[] }> {
    const list = this.page.locator(".quick-input-widget:visible");
    const texts = async (selector: string) => (await list.locator(selector).allTextContents()).map(plain);
    const [title = ""] = await texts(".quick-input-title");
    return { title, lines: await texts(".quick-input-list-row:first-child .label-name") };
  }

  /** Whether the file in the editor differs from what was saved last. */
  async isUnsaved(): Promise<boolean> {
    return (await this.page.locator(".tab.active.dirty").count()) > 0;
  }

  async clipboard(): Promise<string> {
    return await this.page.evaluate<string>("navigator.clipboard.readText()");
  }

  /** A button in the title of an editor group, by what its name begins with. */
  titleAction(name: string): Locator {
    return this.page.locator(`.editor-actions .action-label[aria-label^="${name}"]`);
  }

  /** What stands above a line of code, to be clicked, and says this. */
  lens(text: string): Locator {
    return this.page.locator(".monaco-editor .codelens-decoration a").filter({ hasText: text });
  }

  /** How many notifications say this at the moment. */
  async notifications(text: RegExp): Promise<number> {
    return await this.notificationsThatSay(text).count();
  }

  /** The notification that says this, waited for. */
  async notification(text: RegExp): Promise<Locator> {
    const found = this.notificationsThatSay(text).first();
    await this.visible(found, `a notification says ${text}`);
    return found;
  }

  /** Clicks a button of a notification, which is gone then. */
  async answer(text: RegExp, button: string): Promise<void> {
    const notification = await this.notification(text);
    await notification.locator(".monaco-button", { hasText: button }).click();
    await notification.waitFor({ state: "detached" });
  }

  /** Clicks the cancel button of a notification with progress, which is gone then. */
  async cancelProgress(text: RegExp): Promise<void> {
    const notification = await this.notification(text);
    await notification.hover();
    await notification.locator(".monaco-button", { hasText: "Cancel" }).click();
    await notification.waitFor({ state: "detached" });
  }

  /** What a dialog asks, waited for. */
  async question(): Promise<string> {
    const dialog = this.page.locator(".monaco-dialog-box");
    await this.visible(dialog, "a dialog is shown");
    return plain(await dialog.innerText());
  }

  async answerQuestion(button: string): Promise<void> {
    await this.page.locator(".monaco-dialog-box .monaco-button", { hasText: button }).click();
  }

  /** Opens the page of the extension's walkthrough. */
  async openWalkthrough(title: string): Promise<void> {
    await this.command("Welcome: Open Walkthrough");
    await this.pick(title);
    await this.visible(this.walkthroughSteps.first(), "the walkthrough's steps are shown");
  }

  /** The steps of the open walkthrough: the first line of each, and whether it counts as done. */
  async walkthrough(): Promise<{ readonly title: string; readonly done: boolean }[]> {
    return await this.walkthroughSteps.evaluateAll((steps) =>
      steps.map((step) => ({
        title: step.querySelector(".step-title")?.textContent ?? "",
        done: step.querySelector(".codicon-getting-started-step-checked") !== null,
      })),
    );
  }

  get walkthroughSteps(): Locator {
    return this.page.locator(".gettingStartedContainer .getting-started-step");
  }

  /** The suggestion in the editor, waited for. */
  async ghostText(ms = patienceMs): Promise<string> {
    const texts = async (selector: string) => await this.page.locator(`.monaco-editor ${selector}`).allTextContents();
    let found = "";
    await this.until(
      "a suggestion is shown",
      async () => {
        const below = await texts(".suggest-preview-text .view-line");
        found = plain([(await texts(".ghost-text-decoration")).join(""), ...below].join("\n"));
        return found.trim() !== "";
      },
      ms,
    );
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

  private notificationsThatSay(text: RegExp): Locator {
    return this.page.locator(".notifications-toasts .notification-list-item").filter({ hasText: text });
  }

  private async visible(element: Locator, what: string): Promise<void> {
    await this.until(what, () => element.isVisible());
  }

  async until(what: string, condition: () => Promise<boolean>, ms = patienceMs): Promise<void> {
    const deadline = performance.now() + ms;
    while (!(await condition())) {
      if (performance.now() > deadline) {
        await this.photograph("waited-in-vain");
        throw new Error(`Waited in vain until ${what}.`);
      }
      await this.page.waitForTimeout(50);
    }
  }

  /** A picture of the window once what appears has appeared, for people: in out/screenshots. */
  async photograph(name: string): Promise<void> {
    await this.page.waitForTimeout(settleMs);
    const folder = join(repository, "out", "screenshots");
    mkdirSync(folder, { recursive: true });
    await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }
}

/** The editor draws spaces as no-break spaces. */
function plain(text: string): string {
  return text.replaceAll("\u00a0", " ").replaceAll("\u200b", "");
}
