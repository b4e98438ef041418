import { basename, extname } from "node:path";

/** VS Code language ids by file name extension. */
const byExtension: ReadonlyMap<string, string> = new Map(
  Object.entries({
    c: "c h",
    clojure: "clj cljs cljc edn",
    cpp: "cc cpp cxx hh hpp hxx ino",
    csharp: "cs csx",
    css: "css",
    dart: "dart",
    elixir: "ex exs",
    erlang: "erl hrl",
    fsharp: "fs fsi fsx",
    go: "go",
    groovy: "groovy gradle",
    haskell: "hs",
    html: "html htm",
    java: "java",
    javascript: "js cjs mjs",
    javascriptreact: "jsx",
    json: "json",
    julia: "jl",
    kotlin: "kt kts",
    lua: "lua",
    markdown: "md markdown",
    "objective-c": "m",
    perl: "pl pm",
    php: "php",
    plaintext: "txt",
    powershell: "ps1 psm1",
    python: "py pyi pyw",
    r: "r",
    ruby: "rb rake gemspec",
    rust: "rs",
    scala: "scala sc",
    scss: "scss",
    shellscript: "sh bash zsh",
    sql: "sql",
    svelte: "svelte",
    swift: "swift",
    toml: "toml",
    typescript: "ts cts mts",
    typescriptreact: "tsx",
    vue: "vue",
    xml: "xml xsd xsl svg",
    yaml: "yaml yml",
  }).flatMap(([id, extensions]) => extensions.split(" ").map((extension) => [`.${extension}`, id] as const)),
);

const byName: ReadonlyMap<string, string> = new Map([
  ["dockerfile", "dockerfile"],
  ["makefile", "makefile"],
  ["gemfile", "ruby"],
  ["rakefile", "ruby"],
]);

/** The VS Code language id of a file, told by its name; undefined where the name says nothing. */
export function languageOf(file: string): string | undefined {
  const name = basename(file).toLowerCase();
  return byName.get(name) ?? byExtension.get(extname(name));
}
