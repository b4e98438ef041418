/**
 * The part of `vscode.l10n` that turns an English sentence with {0} into the user's language. Passed in, so that what a
 * sentence says can be tested outside of the editor.
 */
export interface Localizer {
  t(message: string, ...values: (string | number)[]): string;
}
