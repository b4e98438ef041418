import { badParams } from "./failures.ts";

/** Turns what came over the wire into what it must be, or throws a ResponseError of one sentence that calls it by `name`. */
export type Check<T> = (value: unknown, name: string) => T;

export function boolean(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw badParams(`${name} must be true or false.`);
  return value;
}

/** @param longest in UTF-16 units */
export function text(longest: number, shortest = 0): Check<string> {
  return (value, name) => {
    if (typeof value !== "string") throw badParams(`${name} must be a string.`);
    if (value.length < shortest) throw badParams(`${name} must not be empty.`);
    if (value.length > longest) throw badParams(`${name} must be at most ${longest} characters long.`);
    return value;
  };
}

export function matching(pattern: RegExp, expected: string): Check<string> {
  return (value, name) => {
    if (typeof value !== "string" || !pattern.test(value)) throw badParams(`${name} must be ${expected}.`);
    return value;
  };
}

export function number(min: number, max: number): Check<number> {
  return (value, name) => {
    if (typeof value !== "number" || !(value >= min && value <= max)) {
      throw badParams(`${name} must be a number from ${min} to ${max}.`);
    }
    return value;
  };
}

export function integer(min: number, max: number): Check<number> {
  return (value, name) => {
    if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
      throw badParams(`${name} must be a whole number from ${min} to ${max}.`);
    }
    return value as number;
  };
}

export function oneOf<const T extends string>(...values: readonly T[]): Check<T> {
  return (value, name) => {
    const found = values.find((known) => known === value);
    if (found === undefined) throw badParams(`${name} must be one of ${values.join(", ")}.`);
    return found;
  };
}

/** Absent, or what `check` says; null counts as absent, since JSON has no undefined. */
export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, name) => (value === undefined || value === null ? undefined : check(value, name));
}

export function list<T>(item: Check<T>, longest: number): Check<readonly T[]> {
  return (value, name) => {
    if (!Array.isArray(value)) throw badParams(`${name} must be a list.`);
    if (value.length > longest) throw badParams(`${name} must have at most ${longest} entries.`);
    return value.map((entry, index) => item(entry, `${name}[${index}]`));
  };
}

/** An object with these fields; others are left out, so that a client may know more than the server. */
export function object<T extends object>(fields: { readonly [Name in keyof T]-?: Check<T[Name]> }): Check<T> {
  const checks = Object.entries(fields) as [string, Check<unknown>][];
  return (value, name) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw badParams(`${name} must be an object.`);
    }
    const entries = checks.map(([field, check]) => {
      const given = Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined;
      return [field, check(given, `${name}.${field}`)] as const;
    });
    return Object.fromEntries(entries.filter(([, checked]) => checked !== undefined)) as T;
  };
}
