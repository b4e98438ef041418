/**
 * Marks of turns, texts, files, repositories and infilling in the model families Jakiro knows. Converters label some of
 * them as user-defined or plain text, so the names decide; only names that no source text contains by chance are here
 * ("<s>" is HTML, and an ordinary entry of Qwen's vocabulary).
 */
const markNames: ReadonlySet<string> = new Set([
  // Ends of text and of turns.
  ...[
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|end_of_text|>",
    "<|begin_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
  ],
  ...["<|start_header_id|>", "<|end_header_id|>", "<|EOT|>", "▁<EOT>"],
  ...["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<end_of_turn>", "<start_of_turn>"],
  // Infilling.
  ...[
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<fim_prefix>",
    "<fim_middle>",
    "<fim_suffix>",
  ],
  ...["<fim_pad>", "<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>", "▁<PRE>", "▁<SUF>", "▁<MID>"],
  ...["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
  // Files and repositories.
  ...["<|repo_name|>", "<|file_sep|>", "<|file_separator|>", "<file_sep>", "<repo_name>", "<reponame>", "<gh_stars>"],
]);

/** Whether a vocabulary entry is such a mark, whatever the file says about it. */
export function isMark(entry: string): boolean {
  return markNames.has(entry);
}
