import type { DiskItem } from "../engine/model/diskUse.ts";
import type { Localizer } from "./localizer.ts";
import { sizeText } from "./numberText.ts";

/** What Manage Models says about something on the disk. */
export function diskItemText(
  { kind, name, model, bytes }: DiskItem,
  current: string,
  l10n: Localizer,
): { label: string; description: string; detail: string } {
  const inUse = model !== undefined && model.name.toLowerCase() === current.toLowerCase();
  const kinds = {
    model: l10n.t("model file"),
    partial: l10n.t("begun download"),
    packed: l10n.t("prepared weights"),
  };
  const consequences = {
    model: inUse
      ? l10n.t("This is the model in use: without it there are no suggestions until another one is chosen.")
      : l10n.t("It can be downloaded again."),
    partial: l10n.t("The download will start from the beginning."),
    packed: l10n.t("They are made again when the model is loaded the next time, which takes a while."),
  };
  const shared = kind === "model" && bytes === 0;
  return {
    label: `${name} (${kinds[kind]})`,
    description: shared ? l10n.t("shared with another program, which keeps it") : sizeText(bytes),
    detail: consequences[kind],
  };
}

export function totalText(items: readonly DiskItem[], l10n: Localizer): string {
  return l10n.t("Jakiro uses {0} of disk space", sizeText(items.reduce((sum, { bytes }) => sum + bytes, 0)));
}
