/** Small sources in several languages: whole files, so that every line of them can be taken out and put back. */
export interface Sample {
  readonly languageId: string;
  readonly text: string;
}

export const samples: readonly Sample[] = [
  {
    languageId: "python",
    text: `import json
from pathlib import Path

class Ledger:
    """Entries of one month."""

    def __init__(self, path):
        self.path = Path(path)
        self.entries = []

    def load(self):
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return 0
        for row in json.loads(text):
            if row["amount"] == 0:
                continue
            self.entries.append(row)
        return len(self.entries)

    def total(self, kind=None):
        amount = 0
        for row in self.entries:
            if kind is None or row["kind"] == kind:
                amount += row["amount"]
        return amount

def largest(entries, count=3):
    ranked = sorted(
        entries,
        key=lambda row: row["amount"],
        reverse=True,
    )
    return ranked[:count]
`,
  },
  {
    languageId: "typescript",
    text: `import { readFile } from "node:fs/promises";

export interface Entry {
  readonly kind: string;
  readonly amount: number;
}

export class Ledger {
  private readonly entries: Entry[] = [];

  constructor(private readonly path: string) {}

  async load(): Promise<number> {
    const text = await readFile(this.path, "utf8");
    for (const row of JSON.parse(text) as Entry[]) {
      if (row.amount === 0) continue;
      this.entries.push(row);
    }
    return this.entries.length;
  }

  total(kind?: string): number {
    let amount = 0;
    for (const row of this.entries) {
      if (kind === undefined || row.kind === kind) {
        amount += row.amount;
      } else {
        console.debug("left out", row.kind);
      }
    }
    return amount;
  }
}
`,
  },
  {
    languageId: "javascript",
    text: `const http = require("http");

const routes = {
  "/health": () => ({ status: "ok" }),
  "/version": () => ({ version: process.version }),
};

function handle(request, response) {
  const route = routes[request.url];
  if (!route) {
    response.writeHead(404);
    response.end("not found");
    return;
  }
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(route()));
}

const server = http.createServer(handle);
server.listen(8080, () => {
  console.log("listening");
});
`,
  },
  {
    languageId: "go",
    text: `package ledger

import (
\t"encoding/json"
\t"os"
)

type Entry struct {
\tKind   string
\tAmount int
}

func Load(path string) ([]Entry, error) {
\tdata, err := os.ReadFile(path)
\tif err != nil {
\t\treturn nil, err
\t}
\tvar entries []Entry
\tif err := json.Unmarshal(data, &entries); err != nil {
\t\treturn nil, err
\t}
\treturn entries, nil
}

func Total(entries []Entry) int {
\tamount := 0
\tfor _, entry := range entries {
\t\tamount += entry.Amount
\t}
\treturn amount
}
`,
  },
  {
    languageId: "rust",
    text: `use std::collections::HashMap;

pub struct Ledger<'a> {
    entries: Vec<(&'a str, i64)>,
}

impl<'a> Ledger<'a> {
    pub fn totals(&self) -> HashMap<&'a str, i64> {
        let mut totals = HashMap::new();
        for (kind, amount) in &self.entries {
            if *amount == 0 {
                continue;
            }
            *totals.entry(*kind).or_insert(0) += amount;
        }
        totals
    }

    pub fn largest(&self) -> Option<i64> {
        self.entries
            .iter()
            .map(|(_, amount)| *amount)
            .max()
    }
}
`,
  },
  {
    languageId: "html",
    text: `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Ledger</title>
  </head>
  <body>
    <h1>Entries of this month</h1>
    <table id="entries">
      <tr><th>Kind</th><th>Amount</th></tr>
    </table>
    <p>
      All amounts are in cents.
    </p>
    <script src="ledger.js"></script>
  </body>
</html>
`,
  },
  {
    languageId: "plaintext",
    text: `The ledger keeps one file for every month.
Each line of it is an entry with a kind and an amount.

Entries without an amount are left out when the file is read.
The total is computed anew whenever it is asked for.
`,
  },
];
