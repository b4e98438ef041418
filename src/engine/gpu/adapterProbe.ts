import { listAdapters } from "./adapterList.ts";

// The process that `searchAdapters` starts: it sends what there is to its parent and ends.
listAdapters().then((search) => process.send?.(search, () => process.exit(0)));
