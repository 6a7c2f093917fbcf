#!/usr/bin/env node
// Prisma's schema engine as its CLI starts it, without the binary that the CLI would download: the CLI's JSON-RPC on standard input
// and output on one side, Prisma's own engine in WebAssembly with its own pg adapter on the other.
// The address and its password come from the environment; what the CLI gives as arguments holds neither.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import { PrismaPg } from "@prisma/adapter-pg";
import { MIGRATED, options } from "./options.mjs";

const ca = readFileSync(process.env.COMPAT_CA_FILE, "utf8");
const factory = new PrismaPg(
  { ...options(process.env.COMPAT_DIRECT_URL, ca, 1), options: `-c search_path=${MIGRATED}` },
  { schema: MIGRATED },
);

async function engineClass() {
  const folder = dirname(createRequire(import.meta.url).resolve("@prisma/schema-engine-wasm"));
  const glue = await import(pathToFileURL(join(folder, "schema_engine_bg.js")));
  const module = new WebAssembly.Module(readFileSync(join(folder, "schema_engine_bg.wasm")));
  const instance = new WebAssembly.Instance(module, { "./schema_engine_bg.js": glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return glue.SchemaEngine;
}

async function canConnect() {
  const connection = await factory.connect();
  await connection.executeScript("SELECT 1");
  await connection.dispose();
}

async function answer(engine, { id, method, params }) {
  try {
    return { jsonrpc: "2.0", id, result: (await engine[method === "getDatabaseVersion" ? "version" : method](params)) ?? {} };
  } catch (error) {
    return { jsonrpc: "2.0", id, error: { code: 4466, message: String(error.message), data: { message: String(error.message), error_code: error.code } } };
  }
}

const { values, positionals } = parseArgs({
  strict: false,
  allowPositionals: true,
  options: { datamodels: { type: "string", multiple: true }, datasource: { type: "string" } },
});
if (positionals[0] === "cli") {
  if (positionals[1] !== "can-connect-to-database") throw new Error(`Not tried here: ${positionals[1]}`);
  await canConnect();
} else {
  const SchemaEngine = await engineClass();
  const datamodels = (values.datamodels ?? []).map((path) => [path, readFileSync(path, "utf8")]);
  const engine = await SchemaEngine.new({ datamodels }, () => {}, bindMigrationAwareSqlAdapterFactory(factory));
  for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(await answer(engine, JSON.parse(line))));
  process.exit(0);
}
