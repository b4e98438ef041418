import type { Localizer } from "../../../src/extension/localizer.ts";

/** English, as `vscode.l10n` gives it where no translation is installed. */
export const english: Localizer = {
  t: (message, ...values) => message.replace(/\{(\d+)\}/g, (_, index) => String(values[Number(index)])),
};
