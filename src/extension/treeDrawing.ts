import type { RoundParams } from "../protocol/messages.ts";
import { drawing, escapeHtml, round } from "./markup.ts";

/** A token in the drawing of a tree. */
export interface TreeNode {
  readonly token: string;
  /** Index of its parent; -1 for the root. */
  readonly parent: number;
  readonly accepted: boolean;
  /** Root: 0. */
  readonly depth: number;
  /** Line of the drawing, from 0; a node stands beside its first child. */
  readonly row: number;
}

/** Where each token of a round stands: the accepted child first, so that the accepted path runs along the top. */
export function layoutTree({ tokens, parents, accepted }: RoundParams): TreeNode[] {
  const lit = new Set(accepted);
  const children: number[][] = tokens.map(() => []);
  const roots: number[] = [];
  for (const [index, parent] of parents.entries()) (children[parent] ?? roots).push(index);
  const nodes: TreeNode[] = [];
  let row = 0;
  const place = (index: number, depth: number): void => {
    const token = tokens[index];
    // A damaged message could name a node twice or its own descendant as its parent.
    if (token === undefined || nodes[index] !== undefined) return;
    nodes[index] = { token, parent: parents[index] ?? -1, accepted: lit.has(index), depth, row };
    const below = (children[index] ?? []).toSorted((a, b) => Number(lit.has(b)) - Number(lit.has(a)));
    for (const [position, child] of below.entries()) {
      if (position > 0) row++;
      place(child, depth + 1);
    }
  };
  // Roots first; what no root leads to stands on its own.
  for (const index of [...roots, ...tokens.keys()]) {
    if (nodes[index] !== undefined) continue;
    if (nodes.length > 0) row++;
    place(index, 0);
  }
  return nodes;
}

const columnWidth = 104;
const rowHeight = 24;
const boxWidth = 84;
const boxHeight = 18;
const margin = 4;
const longestToken = 11;

/** The tree from left to right, the accepted path lit. */
export function treeDrawing(label: string, nodes: readonly TreeNode[]): string {
  const x = ({ depth }: TreeNode) => margin + depth * columnWidth;
  const y = ({ row }: TreeNode) => margin + row * rowHeight;
  const edges = nodes.map((node) => {
    const parent = nodes[node.parent];
    if (parent === undefined) return "";
    const [startX, startY] = [x(parent) + boxWidth, y(parent) + boxHeight / 2];
    const [endX, endY] = [x(node), y(node) + boxHeight / 2];
    const bend = round((startX + endX) / 2);
    return `<path class="${classOf("edge", node)}" d="M${startX} ${startY}C${bend} ${startY} ${bend} ${endY} ${endX} ${endY}"/>`;
  });
  const boxes = nodes.map(
    (node) =>
      `<g class="${classOf("node", node)}"><rect x="${x(node)}" y="${y(node)}" width="${boxWidth}" height="${boxHeight}" rx="3"/>` +
      `<text class="middle" x="${x(node) + boxWidth / 2}" y="${y(node) + 13}">${escapeHtml(shortToken(node.token))}</text></g>`,
  );
  const width = Math.max(...nodes.map((node) => x(node))) + boxWidth + margin;
  const height = Math.max(...nodes.map((node) => y(node))) + boxHeight + margin;
  // Lit edges are drawn over the others where they cross.
  const ordered = [...nodes.keys()].sort((a, b) => Number(nodes[a]!.accepted) - Number(nodes[b]!.accepted));
  const content = [...ordered.map((index) => edges[index]!), ...boxes].join("");
  return drawing(label, width, height, content, ` class="tree" width="${width}" height="${height}"`);
}

function classOf(name: string, { accepted }: TreeNode): string {
  return accepted ? `${name} lit` : name;
}

/** Spaces and line ends are what many tokens consist of: they are made visible. */
export function visibleToken(token: string): string {
  return token
    .replace(/ /g, "·")
    .replace(/\t/g, "⇥")
    .replace(/\r\n|\n|\r/g, "⏎");
}

function shortToken(token: string): string {
  const characters = [...visibleToken(token)];
  return characters.length <= longestToken ? characters.join("") : `${characters.slice(0, longestToken - 1).join("")}…`;
}
