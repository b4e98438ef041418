import dgram from "node:dgram";
import dns from "node:dns";
import net from "node:net";

const loopback = /^(?:localhost|127\.|::1$|0\.0\.0\.0$)/;

/** Notes to whom this process speaks or wants to, loopback and sockets in the file system left out, from now on. */
export function watchConnections(): readonly string[] {
  const found: string[] = [];
  const note = (host: unknown) => {
    if (typeof host === "string" && !loopback.test(host)) found.push(host);
  };
  before(net.Socket.prototype, "connect", (first, second) => {
    const target: unknown = Array.isArray(first) ? first[0] : first;
    if (typeof target === "object" && target !== null && "host" in target) note(target.host);
    else if (typeof target === "number") note(second);
  });
  before(dgram.Socket.prototype, "connect", (_, address) => note(address));
  before(dgram.Socket.prototype, "send", (...values) => note(values.findLast((value) => typeof value === "string")));
  before(dns, "lookup", note);
  for (const name of ["resolve", "resolve4", "resolve6"] as const) before(dns, name, note);
  return found;
}

/** Calls `see` with the arguments of every call of a method. */
function before<Name extends string>(
  owner: Record<Name, unknown>,
  name: Name,
  see: (...values: readonly unknown[]) => void,
): void {
  const original = owner[name] as (...values: unknown[]) => unknown;
  owner[name] = function (this: unknown, ...values: unknown[]) {
    see(...values);
    return original.apply(this, values);
  };
}
