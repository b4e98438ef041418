import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { posix, win32 } from "node:path";

/** Where executables lie on a machine; the real one is `machineFiles`. */
export interface MachineFiles {
  readonly platform: NodeJS.Platform;
  /** The PATH variable. */
  readonly searchPath: string;
  isExecutable(path: string): Promise<boolean>;
  /** The path without links; itself where it cannot be told. */
  realPath(path: string): Promise<string>;
}

/**
 * The executables of a name on PATH, in its order. None is from within the workspace, nor from a relative entry, which may
 * lead there.
 * @param name without ".exe"
 * @param passedOver hears why an entry, or what it has, is left out
 */
export async function* executablesOnPath(
  name: string,
  workspaceFolders: readonly string[],
  machine: MachineFiles,
  passedOver: (reason: string, path: string) => void = () => undefined,
): AsyncGenerator<string> {
  const path = machine.platform === "win32" ? win32 : posix;
  for (const folder of machine.searchPath.split(path.delimiter)) {
    if (!path.isAbsolute(folder)) {
      passedOver("an entry of PATH is not absolute", folder);
      continue;
    }
    const file = path.join(folder, executableName(name, machine.platform));
    if (!(await machine.isExecutable(file))) continue;
    if (await liesInside(file, workspaceFolders, machine))
      passedOver("an entry of PATH lies inside the workspace", file);
    else yield file;
  }
}

export function executableName(name: string, platform: NodeJS.Platform): string {
  return platform === "win32" ? `${name}.exe` : name;
}

/** Whether the executable, or what it is a link to, lies in one of the folders or in what they are links to. */
async function liesInside(file: string, folders: readonly string[], machine: MachineFiles): Promise<boolean> {
  const files = [file, await machine.realPath(file)];
  for (const folder of folders) {
    const places = [folder, await machine.realPath(folder)];
    if (places.some((place) => files.some((path) => isWithin(place, path, machine.platform)))) return true;
  }
  return false;
}

function isWithin(folder: string, file: string, platform: NodeJS.Platform): boolean {
  const path = platform === "win32" ? win32 : posix;
  const comparable = (name: string) => (platform === "linux" ? name : name.toLowerCase());
  const way = path.relative(comparable(folder), comparable(file));
  return way === "" || (way !== ".." && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way));
}

/** This machine. */
export function machineFiles(environment: NodeJS.ProcessEnv): MachineFiles {
  return {
    platform: process.platform,
    searchPath: environment["PATH"] ?? environment["Path"] ?? "",
    async isExecutable(path) {
      const found = await stat(path).catch(() => undefined);
      if (found?.isFile() !== true) return false;
      return access(path, constants.X_OK).then(
        () => true,
        () => false,
      );
    },
    realPath: (path) => realpath(path).catch(() => path),
  };
}
