// Prints what c2pa-ts finds in each file: one JSON object a line {name, valid, codes}.
import * as fs from 'node:fs/promises';
import { BMFF, JPEG, MP3, PNG } from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { ManifestStore } from '@trustnxt/c2pa-ts/manifest';

for (const name of process.argv.slice(2)) {
  const data = await fs.readFile(name);
  const Kind = [JPEG, PNG, BMFF, MP3].find((kind) => kind.canRead(data));
  let found = { name, valid: null, codes: [] };
  try {
    const asset = new Kind(data);
    const store = ManifestStore.read(SuperBox.fromBuffer(asset.getManifestJUMBF()));
    const result = await store.validate(asset);
    found = { name, valid: result.isValid, codes: result.statusEntries.map((entry) => entry.code) };
  } catch (error) {
    found.codes = [String(error)];
  }
  console.log(JSON.stringify(found));
}
