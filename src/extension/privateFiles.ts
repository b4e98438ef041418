/** Names of files that hold secrets; "*" stands for any characters. */
const privateNames = [
  ...[
    ".env",
    ".env.*",
    "*.env",
    ".envrc",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.kdb",
  ],
  ...["*.ppk", "*.asc", "*.gpg", "*.ovpn", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "known_hosts"],
  ...[".npmrc", ".yarnrc", ".yarnrc.yml", ".pypirc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd"],
  ...[".git-credentials", ".dockercfg", ".vault-token", ".vault_pass*", ".s3cfg", ".boto", "kubeconfig"],
  ...["credentials", "credentials.*", "credential.*", "secrets", "secrets.*", "secret.*", "*.secret", "*.secrets"],
  ...["*.tfvars", "*.tfvars.json", "*.tfstate", "service-account*.json", "*.mobileprovision"],
];

/** Folders in which every file counts as one. */
const privateFolders = new Set([".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".password-store"]);

const pattern = new RegExp(`^(?:${privateNames.map(asPattern).join("|")})$`, "i");

function asPattern(name: string): string {
  return name.replace(/[.+^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
}

/** Whether a file, by its path with "/" or "\", is one of those that people keep secrets in: neither completed nor read. */
export function isPrivate(path: string): boolean {
  const parts = path.split(/[/\\]/);
  const name = parts.pop() ?? "";
  return pattern.test(name) || parts.some((folder) => privateFolders.has(folder.toLowerCase()));
}
