import type { CatalogueModel } from "../engine/model/catalogue.ts";
import type { Localizer } from "./localizer.ts";
import type { ModelChoice } from "./modelChoices.ts";
import { percentText, rateText, sizeText } from "./numberText.ts";
import { RemediableError, settingRemedy } from "./remedies.ts";

/** A line of Select Model. */
export interface ChoiceText {
  readonly label: string;
  readonly description: string;
  readonly detail: string;
}

/** What Select Model says about a choice. */
export function choiceText(choice: ModelChoice, l10n: Localizer): ChoiceText {
  const icon = choice.fault !== undefined ? "$(circle-slash) " : choice.current ? "$(check) " : "";
  return {
    label: `${icon}${choice.name}`,
    description: choice.recommended ? l10n.t("recommended for this machine") : "",
    detail: choice.fault ?? facts(choice, l10n).join(" · "),
  };
}

function facts(choice: ModelChoice, l10n: Localizer): string[] {
  const { bytes, memoryBytes, speed, head } = choice;
  return [
    whereText(choice, l10n),
    sizeText(bytes),
    ...(memoryBytes === undefined ? [] : [l10n.t("about {0} of memory", sizeText(memoryBytes))]),
    ...(speed === undefined
      ? []
      : [
          speed.measured
            ? l10n.t("{0} tok/s before drafting, measured here", rateText(speed.tokensPerSecond))
            : l10n.t("about {0} tok/s before drafting", rateText(speed.tokensPerSecond)),
        ]),
    head ? l10n.t("Jakiro head") : l10n.t("no Jakiro head: drafts from earlier text alone"),
  ];
}

function whereText({ where, place, received, bytes }: ModelChoice, l10n: Localizer): string {
  switch (where) {
    case "installed":
      return l10n.t("installed");
    case "packaged":
      return l10n.t("comes with Jakiro");
    case "copy":
      return l10n.t("on this machine, in {0}", place ?? "");
    case "partial":
      return l10n.t("{0} downloaded", percentText(received / bytes));
    case "absent":
      return l10n.t("to be downloaded");
    case "local":
      return place === undefined ? l10n.t("added by you") : l10n.t("in {0}", place);
  }
}

/** Where downloads come from. */
export interface DownloadAddress {
  readonly endpoint: string;
  /** As a person is told: host, with the port where it is not the usual one. */
  readonly host: string;
}

/** The mirror where the user set one, else the hub; throws a RemediableError for a mirror that is no web address. */
export function downloadAddress(mirror: string, hub: string, l10n: Localizer): DownloadAddress {
  const endpoint = mirror.trim() || hub;
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw new RemediableError(
      l10n.t("The setting jakiro.models.mirror is not a web address: {0}; correct it or leave it empty.", endpoint),
      settingRemedy("jakiro.models.mirror", l10n),
    );
  }
  return { endpoint, host: url.host };
}

/** What is fetched, from where, under which licence: the sentence that a download is agreed to by. */
export function consentText({ name, bytes, licence }: CatalogueModel, host: string, l10n: Localizer): string {
  return l10n.t(
    "{0} can be downloaded from {1}: {2}, licence {3}. Nothing is sent there but the request for the file.",
    name,
    host,
    sizeText(bytes),
    licence,
  );
}
