import assert from "node:assert/strict";
import { isPrivate } from "../../../src/extension/privateFiles.ts";

describe("isPrivate", () => {
  const secret =
    ".env .env.local prod.env server.pem tls.KEY id_rsa id_rsa.pub id_ed25519 .npmrc .pypirc .netrc _netrc";
  const more =
    "credentials credentials.json secrets.yaml Secrets.toml store.kdbx .git-credentials main.tfvars cert.pfx";
  for (const name of `${secret} ${more}`.split(" "))
    it(`keeps ${name} private`, () => {
      assert.ok(isPrivate(name));
      assert.ok(isPrivate(`/home/me/project/${name}`));
      assert.ok(isPrivate(`C:\\project\\${name}`));
    });

  it("keeps the folders private in which tools keep keys", () => {
    assert.ok(isPrivate("/home/me/.ssh/config"));
    assert.ok(isPrivate("/home/me/.aws/config"));
  });

  for (const name of "environment.ts env.py keyboard.ts credentialsForm.tsx secretary.go .eslintrc monkey.c".split(" "))
    it(`reads ${name}`, () => assert.ok(!isPrivate(`/secrets.d/src/${name}`)));
});
