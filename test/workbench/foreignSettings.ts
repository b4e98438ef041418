import { contributes } from "../../package.json";

interface Setting {
  readonly type: string;
  readonly scope: string;
  readonly default: unknown;
  readonly enum?: readonly string[];
}

const elsewhere = "/elsewhere";

/** A value that is not the default of every setting that is the user's alone, by key: what a workspace or a remote may try. */
export const foreignSettings: Readonly<Record<string, unknown>> = Object.fromEntries(
  Object.entries<Setting>(contributes.configuration.properties)
    .filter(([, { scope }]) => scope === "application")
    .map(([key, setting]) => [key, otherThanDefault(setting)]),
);

function otherThanDefault({ type, default: usual, enum: values }: Setting): unknown {
  if (values !== undefined) return values.find((value) => value !== usual);
  const others: Readonly<Record<string, unknown>> = {
    string: elsewhere,
    array: [elsewhere],
    boolean: usual !== true,
    number: 1,
  };
  return others[type];
}
