/**
 * Marks of turns, texts, files, repositories and infilling in the model families Jakiro knows. Converters label them
 * inconsistently (control, user-defined or plain text), so their names decide.
 */
const markNames: ReadonlySet<string> = new Set([
  // Ends of text and of turns.
  ...["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|end_of_text|>", "<|begin_of_text|>", "<|eot_id|>", "<|eom_id|>"],
  ...["<|start_header_id|>", "<|end_header_id|>", "<|end|>", "<|EOT|>", "<|eot|>", "<EOT>", "▁<EOT>", "<s>", "</s>"],
  ...["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<eos>", "<bos>", "<end_of_turn>", "<start_of_turn>"],
  // Infilling.
  ...["<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>", "<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>"],
  ...["<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<fim-prefix>", "<fim-middle>", "<fim-suffix>"],
  ...["<fim-pad>", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "▁<PRE>", "▁<SUF>", "▁<MID>", "<PRE>", "<SUF>", "<MID>"],
  // Files and repositories.
  ...["<|repo_name|>", "<|file_sep|>", "<|file_separator|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>"],
  ...["<gh_stars>", "<issue_start>", "<commit_before>", "<jupyter_start>", "<empty_output>"],
]);

/** Whether a vocabulary entry is such a mark, whatever the file says about it. */
export function isMark(entry: string): boolean {
  return markNames.has(entry);
}
