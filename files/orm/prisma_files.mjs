// Reading schema.prisma, or a folder of *.prisma files, and asking Prisma's own parser about it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { someFiles } from "./sources.mjs";

const wasm = createRequire(import.meta.url)("@prisma/prisma-schema-wasm");

/** Pairs of path and text. Connection settings are blanked, line for line: Prisma 7 refuses them there, older ones need them. */
export function readPrisma(path) {
  const files = someFiles(path, (name) => name.endsWith(".prisma"), /\.prisma$/, ".prisma file");
  return files.map((file) => [file, withoutConnection(readFileSync(file, "utf8"))]);
}

function withoutConnection(text) {
  return text.replace(/^[ \t]*datasource\s+\w+\s*\{[^}]*\}/gm, (block) =>
    block.replace(/^[ \t]*(url|directUrl|shadowDatabaseUrl)\s*=.*$/gm, ""),
  );
}

/** Prisma's data model as JSON. Throws with Prisma's own message when the schema is invalid. */
export function dmmfOf(files) {
  return JSON.parse(asked(() => wasm.get_dmmf(JSON.stringify({ prismaSchema: files }))));
}

/** Prisma's configuration: generators and datasources. */
export function configOf(files) {
  const answer = JSON.parse(asked(() => wasm.get_config(JSON.stringify({ prismaSchema: files, datasourceOverrides: {}, ignoreEnvVarErrors: true, env: {} }))));
  return answer.config ?? answer;
}

function asked(question) {
  try {
    return question();
  } catch (error) {
    let message = String(error?.message ?? error);
    try {
      message = JSON.parse(message).message;
    } catch {
      // it was plain text
    }
    throw new Error(message);
  }
}
