/** How a language shows where a block begins and ends; all that the stop rules need to know of it. */
export type LanguageFamily =
  /** By indentation after a colon: Python. */
  | "indentation"
  /** By indentation alone: YAML. */
  | "outline"
  /** By brackets: C, JavaScript, Go, Rust, and everything unknown. */
  | "braces"
  /** By closing words: Ruby, Lua, shell. */
  | "keywords"
  /** By tags: HTML, XML. */
  | "markup"
  /** Not at all: plain text, Markdown. */
  | "prose";

const families: Readonly<Record<string, LanguageFamily>> = {
  ...table("indentation", "python coffeescript nim fsharp gdscript"),
  ...table("outline", "yaml dockercompose jade haml"),
  ...table("keywords", "ruby crystal lua elixir julia shellscript fish matlab vb fortran pascal verilog"),
  ...table("markup", "html xml xsl svg vue svelte handlebars razor"),
  ...table("prose", "plaintext markdown latex restructuredtext git-commit bibtex log"),
};

function table(family: LanguageFamily, ids: string): Record<string, LanguageFamily> {
  return Object.fromEntries(ids.split(" ").map((id) => [id, family]));
}

/** The family of a VS Code language id; without an id, what the lines around the cursor look like. */
export function languageFamily(languageId: string | undefined, sample: readonly string[]): LanguageFamily {
  return languageId === undefined ? guessFamily(sample) : (families[languageId] ?? "braces");
}

const evidence: readonly (readonly [LanguageFamily, RegExp])[] = [
  [
    "indentation",
    /^\s*(?:(?:async\s+)?(?:def|class|if|elif|for|while|with)\b.*|else|try|finally|except\b.*):\s*(?:#.*)?$/,
  ],
  ["indentation", /^(?:from\s+\S+\s+)?import\s+\w[^;{]*$/],
  ["braces", /[{;]\s*$|^\s*\}/],
  ["markup", /^\s*<[/!a-zA-Z][^>]*>/],
  ["keywords", /^\s*(?:end|fi|done|esac)\s*$/],
];

function guessFamily(sample: readonly string[]): LanguageFamily {
  const votes = new Map<LanguageFamily, number>();
  for (const line of sample)
    for (const [family, pattern] of evidence) if (pattern.test(line)) votes.set(family, (votes.get(family) ?? 0) + 1);
  const ranked = [...votes].sort((a, b) => b[1] - a[1]);
  return ranked[0]?.[0] ?? "braces";
}

/** What opens and closes a comment that fills one line, by VS Code language id. */
export function lineComment(languageId: string | undefined): { readonly open: string; readonly close: string } {
  const id = languageId ?? "";
  if (["lua", "sql", "haskell", "elm", "vhdl", "ada"].includes(id)) return { open: "-- ", close: "" };
  if (["lisp", "clojure", "scheme", "ini", "asm"].includes(id)) return { open: "; ", close: "" };
  if (["latex", "matlab", "erlang", "prolog"].includes(id)) return { open: "% ", close: "" };
  if (["css"].includes(id)) return { open: "/* ", close: " */" };
  if (families[id] === "markup" || id === "markdown") return { open: "<!-- ", close: " -->" };
  if (hashComments.has(id)) return { open: "# ", close: "" };
  return { open: "// ", close: "" };
}

const hashComments = new Set(
  "python coffeescript nim gdscript yaml dockercompose ruby crystal elixir julia shellscript fish dockerfile makefile perl r toml powershell cmake graphql properties plaintext restructuredtext git-commit".split(
    " ",
  ),
);
