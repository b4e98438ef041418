/** What stops packaging; the message is one sentence that says what happened and what to do. */
export class PackagingError extends Error {}
