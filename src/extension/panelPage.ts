import type { Localizer } from "./localizer.ts";
import { escapeHtml } from "./markup.ts";
import type { SectionId } from "./panelSections.ts";

export interface PanelPage {
  /** Random for every page; only the script that bears it runs. */
  readonly nonce: string;
  /** The webview's own origin, for the style sheet. */
  readonly cspSource: string;
  readonly style: string;
  readonly script: string;
  /** BCP 47. */
  readonly language: string;
}

/** The statistics panel's page: fixed headings, and empty sections that the script fills. */
export function panelPage({ nonce, cspSource, style, script, language }: PanelPage, l10n: Localizer): string {
  const policy = `default-src 'none'; style-src ${cspSource}; script-src 'nonce-${nonce}'`;
  const section = (id: SectionId, title: string, explanation = "", after = "", wide = false) => `
    <section${wide ? ' class="wide"' : ""} aria-labelledby="${id}-title">
      <h2 id="${id}-title">${escapeHtml(title)}</h2>${explanation && `\n      <p class="explanation">${escapeHtml(explanation)}</p>`}
      <div id="${id}"${id === "tree" ? ` class="scrolling" tabindex="0" role="region" aria-labelledby="${id}-title"` : ""}></div>${after}
    </section>`;
  const reset = `\n      <button id="reset" type="button">${escapeHtml(l10n.t("Reset Counts"))}</button>`;
  return `<!DOCTYPE html>
<html lang="${escapeHtml(language)}">
  <head>
    <meta charset="UTF-8">
    <meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${escapeHtml(l10n.t("Jakiro Statistics"))}</title>
    <link rel="stylesheet" href="${escapeHtml(style)}">
  </head>
  <body>
    <main>
    <h1>${escapeHtml(l10n.t("Jakiro Statistics"))}</h1>
    <div id="overview" class="wide"></div>${[
      section("speed", l10n.t("Throughput"), l10n.t("Tokens per second of each suggestion in this window.")),
      section(
        "tau",
        l10n.t("Tokens per Pass"),
        l10n.t("Tokens that one forward of the model committed, by suggestion."),
      ),
      section(
        "acceptance",
        l10n.t("Acceptance by Depth"),
        l10n.t("How often a drafted token was right, given that all before it were."),
      ),
      section("round", l10n.t("Where a Round's Time Goes"), l10n.t("Average of the recent suggestions.")),
      section(
        "tree",
        l10n.t("Last Round"),
        l10n.t("Drafted tokens from left to right; the accepted path is lit."),
        "",
        true,
      ),
      section("suggestions", l10n.t("Suggestions"), l10n.t("Counted on this machine and never sent anywhere."), reset),
      section("engine", l10n.t("Engine")),
    ].join("")}
    </main>
    <script nonce="${nonce}" src="${escapeHtml(script)}"></script>
  </body>
</html>
`;
}
