import { parseArgs } from "node:util";
import { closest } from "../engine/closest.ts";
import { JakiroError } from "../engine/errors.ts";

/** One `--name VALUE` (or, where `placeholder` is undefined, one `--name` that is there or not). */
export interface Option<T> {
  readonly placeholder: string | undefined;
  readonly help: string;
  /** Value of an option that was not given. */
  readonly fallback: T;
  /** Shown in the help; undefined for none. */
  readonly shownDefault: string | undefined;
  readonly required: boolean;
  /** Undefined, or what was expected instead, as in "expects ...". */
  readonly parse: (text: string) => { readonly value: T } | { readonly expected: string };
}

export type OptionTable = Readonly<Record<string, Option<unknown>>>;

/** What a table's options are parsed to, by option name. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Option<infer T> ? T : never;
};

/** What options are where nothing else is said of them. */
const plain = { fallback: undefined, shownDefault: undefined, required: false } as const;

export function flag(help: string): Option<boolean> {
  return {
    ...plain,
    placeholder: undefined,
    help,
    fallback: false,
    parse: () => ({ value: true }),
  };
}

/** A value of any text; never empty. */
export function text(placeholder: string, help: string): Option<string | undefined> {
  return {
    ...plain,
    placeholder,
    help,
    parse: (value) => (value === "" ? { expected: "a value that is not empty" } : { value }),
  };
}

export interface NumberRange {
  readonly integer: boolean;
  readonly min: number;
  readonly max?: number;
  /** The minimum itself is out of range. */
  readonly above?: boolean;
}

export function number(placeholder: string, help: string, range: NumberRange): Option<number | undefined> {
  const { integer, min, max = Number.MAX_SAFE_INTEGER, above = false } = range;
  const kind = integer ? "a whole number" : "a number";
  const limits =
    range.max === undefined
      ? above
        ? `above ${min}`
        : `of at least ${min}`
      : above
        ? `above ${min} and up to ${max}`
        : `from ${min} to ${max}`;
  const shape = integer ? /^[+-]?\d+$/ : /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  return {
    ...plain,
    placeholder,
    help,
    parse(value) {
      const parsed = Number(value);
      const inRange = (above ? parsed > min : parsed >= min) && parsed <= max;
      return shape.test(value) && inRange ? { value: parsed } : { expected: `${kind} ${limits}` };
    },
  };
}

export function choice<const T extends string>(
  placeholder: string,
  help: string,
  values: readonly T[],
): Option<T | undefined> {
  return {
    ...plain,
    placeholder,
    help,
    parse(value) {
      const found = values.find((known) => known === value);
      if (found !== undefined) return { value: found };
      const meant = closest(value, values);
      return { expected: `one of ${values.join(", ")}${meant === undefined ? "" : ` (did you mean ${meant}?)`}` };
    },
  };
}

/** Values of an option, separated by commas, each at most once. */
export function list<T>(item: Option<T | undefined>, placeholder: string): Option<readonly T[] | undefined> {
  return {
    ...item,
    fallback: undefined,
    placeholder,
    parse(value) {
      const values: T[] = [];
      for (const part of value.split(",")) {
        const result = item.parse(part.trim());
        if ("expected" in result) return { expected: `a comma-separated list; each is ${result.expected}` };
        if (values.includes(result.value as T)) return { expected: `every value once, not "${part.trim()}" twice` };
        values.push(result.value as T);
      }
      return { value: values };
    },
  };
}

/** The option with a value for when it is not given. */
export function withDefault<T>(option: Option<T | undefined>, fallback: T, shown = String(fallback)): Option<T> {
  return { ...option, fallback, shownDefault: shown } as Option<T>;
}

export function required<T>(option: Option<T | undefined>): Option<T> {
  return { ...option, required: true } as Option<T>;
}

export interface ParsedArguments<Table extends OptionTable> {
  readonly values: OptionValues<Table>;
  readonly positionals: readonly string[];
}

/**
 * Splits a command's arguments into options and positionals. Throws JakiroError("usage") for unknown, repeated, missing and
 * ill-formed options, with the option that was probably meant.
 */
export function parseOptions<Table extends OptionTable>(
  command: string,
  table: Table,
  argv: readonly string[],
): ParsedArguments<Table> {
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(table).map(([name, option]) => [
        name,
        { type: option.placeholder === undefined ? "boolean" : "string" },
      ]),
    ),
  });
  const values: Record<string, unknown> = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const option = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (option === undefined || !token.rawName.startsWith("--"))
      throw unknownOption(command, token.rawName, Object.keys(table));
    if (Object.hasOwn(values, token.name)) throw usage(command, `--${token.name} is given twice`);
    values[token.name] = parseValue(command, token.name, option, token.value, token.inlineValue === true);
  }
  for (const [name, option] of Object.entries(table)) {
    if (Object.hasOwn(values, name)) continue;
    if (option.required) throw usage(command, `--${name} ${option.placeholder} is missing`);
    values[name] = option.fallback;
  }
  return { values: values as OptionValues<Table>, positionals };
}

function parseValue(
  command: string,
  name: string,
  option: Option<unknown>,
  value: string | undefined,
  inline: boolean,
): unknown {
  if (option.placeholder === undefined) {
    if (value !== undefined) throw usage(command, `--${name} takes no value`);
  } else if (value === undefined || (!inline && /^--?[a-z]/i.test(value))) {
    throw usage(command, `--${name} needs a value (${option.placeholder})`);
  }
  const result = option.parse(value ?? "");
  if ("expected" in result)
    throw usage(command, `--${name} ${value === "" ? "" : `${value}: `}expects ${result.expected}`);
  return result.value;
}

function unknownOption(command: string, rawName: string, known: readonly string[]): JakiroError {
  const meant = closest(rawName.replace(/^-+/, ""), known);
  return usage(
    command,
    `there is no option ${rawName}${meant === undefined ? "" : `; did you mean --${meant}`}`,
    meant !== undefined,
  );
}

/** A usage error that says where the help is. */
export function usage(command: string, complaint: string, isQuestion = false): JakiroError {
  return new JakiroError(
    "usage",
    `${command}: ${complaint}${isQuestion ? "?" : "."} See \`jakiro ${command} --help\`.`,
  );
}

/** The options' part of a command's help text, two columns. */
export function describeOptions(table: OptionTable): string {
  const rows = Object.entries(table).map(([name, option]) => {
    const left = option.placeholder === undefined ? `--${name}` : `--${name} ${option.placeholder}`;
    const right = `${option.help}${option.shownDefault === undefined ? "" : ` [${option.shownDefault}]`}`;
    return [left, right] as const;
  });
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join("\n");
}
