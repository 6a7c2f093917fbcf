// Finding an application's source files, and answering the caller: one JSON document in the file it names.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const SKIPPED = new Set(["node_modules", ".git", "dist", "migrations"]);

/** The files under `path` whose name `wanted` accepts, sorted; `path` itself where it is a file. */
export function filesUnder(path, wanted) {
  const start = resolve(path);
  if (!statSync(start).isDirectory()) return [start];
  const found = [];
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const here = join(folder, entry.name);
      if (entry.isDirectory() && !SKIPPED.has(entry.name)) walk(here);
      else if (entry.isFile() && wanted(entry.name)) found.push(here);
    }
  };
  walk(start);
  return found.sort();
}

/** Those of a kind (`/\.prisma$/`, "a .prisma file"), at least one: a path to something else is a mistake to be named. */
export function someFiles(path, wanted, extension, kind) {
  const found = filesUnder(path, wanted).filter((file) => extension.test(file));
  if (found.length > 0) return found;
  throw new Error(statSync(path).isDirectory() ? `There is no ${kind} in ${path}` : `${path} is no ${kind}`);
}

export const isTypeScript = (name) => /\.(ts|mts|cts)$/.test(name) && !/\.(test|spec|d)\.[mc]?ts$/.test(name);

/** What went wrong in one line, with ANSI colours and the stack taken away. */
export function sentence(error) {
  const text = String(error?.message ?? error).replace(/\u001b\[[0-9;]*m/g, "");
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  return lines.slice(0, 8).join(" ").slice(0, 800);
}

/** Run `read(request)` and write its result, or the reason why there is none, where the caller looks for it. */
export async function answer(read) {
  const [requestFile, answerFile] = process.argv.slice(2);
  const request = JSON.parse(readFileSync(requestFile, "utf8"));
  let result;
  try {
    result = await read(request);
  } catch (error) {
    result = { problem: sentence(error) || "it failed without a reason" };
  }
  writeFileSync(answerFile, JSON.stringify(result));
  process.exit(0);
}
