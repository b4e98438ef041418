import type { Localizer } from "./localizer.ts";
import type { Memory } from "./measuredSpeeds.ts";
import type { ModelChoice } from "./modelChoices.ts";
import { consentText } from "./modelText.ts";
import { sizeText } from "./numberText.ts";

/** What setting up needs from the editor. */
export interface SetUpActions {
  choices(): Promise<readonly ModelChoice[]>;
  /** Shows one notification; gives the action that was clicked, undefined where it was closed. */
  ask(message: string, ...actions: string[]): Thenable<string | undefined>;
  /** Makes it the model, fetched where need be; `agreed` where the user has agreed to its download. */
  use(choice: ModelChoice, agreed: boolean): Promise<unknown>;
  selectModel(): Promise<unknown>;
}

const answeredKey = "jakiro.setUp.answered";

/**
 * What happens where no model was chosen yet. A model that came with Jakiro is used; otherwise one notification offers what is
 * best here, and whatever its answer was, it never appears again.
 */
export async function firstRun(
  { choices, ask, use, selectModel }: SetUpActions,
  memory: Memory,
  host: string,
  l10n: Localizer,
): Promise<void> {
  if (memory.get<boolean>(answeredKey)) return;
  const found = await choices();
  const packaged = found.find(({ where }) => where === "packaged");
  if (packaged !== undefined) {
    await use(packaged, false);
    return;
  }
  const best = found.find(({ recommended }) => recommended);
  const proposal = best && propose(best, found, host, l10n);
  const others = l10n.t("Other Models…");
  const never = l10n.t("Not Now");
  const answer = await (proposal === undefined
    ? ask(l10n.t("Jakiro needs a code model before it can suggest anything."), others, never)
    : ask(proposal.message, proposal.action, others, never));
  await memory.update(answeredKey, true);
  // Who was told that nothing has to be downloaded is asked again where something has to.
  if (best !== undefined && answer === proposal?.action) await use(best, isDownload(best));
  else if (answer === others) await selectModel();
}

function isDownload({ where }: ModelChoice): boolean {
  return where === "absent" || where === "partial";
}

function propose(
  best: ModelChoice,
  found: readonly ModelChoice[],
  host: string,
  l10n: Localizer,
): { message: string; action: string } | undefined {
  if (best.model === undefined) return undefined;
  if (!isDownload(best)) {
    const place = best.place ?? l10n.t("Jakiro's cache");
    return {
      message: l10n.t("Jakiro found the code model {0} in {1}; nothing has to be downloaded.", best.name, place),
      action: l10n.t("Use It"),
    };
  }
  const usable = found.filter(({ where, fault }) => where === "local" && fault === undefined).length;
  const consent = consentText(best.model, host, l10n);
  const message =
    usable === 0
      ? l10n.t("Jakiro needs a code model. {0}", consent)
      : l10n.t(
          "Jakiro needs a code model. {0} Models on this machine that it could use instead: {1}.",
          consent,
          usable,
        );
  return { message, action: l10n.t("Download {0}", sizeText(best.bytes - best.received)) };
}
