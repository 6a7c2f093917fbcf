// What Prisma means: the SQL that its schema engine would migrate an empty database with, and what its client does by itself.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ColumnTypeEnum, bindMigrationAwareSqlAdapterFactory } from "@prisma/driver-adapter-utils";
import { configOf, dmmfOf, readPrisma } from "./prisma_files.mjs";
import { answer } from "./sources.mjs";

const require = createRequire(import.meta.url);

async function engineClass() {
  const folder = dirname(require.resolve("@prisma/schema-engine-wasm"));
  const glue = await import(pathToFileURL(join(folder, "schema_engine_bg.js")));
  const module = new WebAssembly.Module(readFileSync(join(folder, "schema_engine_bg.wasm")));
  const instance = new WebAssembly.Instance(module, { "./schema_engine_bg.js": glue });
  glue.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return glue.SchemaEngine;
}

// An empty PostgreSQL 17 as the engine wants to know it: the schema exists, the version and its number.
const EMPTY_DATABASE = {
  columnNames: ["exists", "version", "numeric_version"],
  columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
  rows: [[true, "PostgreSQL 17.0", 170000]],
};

async function sqlOf(files) {
  const refuse = async () => {
    throw new Error("Prisma's schema engine asked for a database, which no schema needs");
  };
  const names = { provider: "postgres", adapterName: "offline" };
  const connection = {
    ...names,
    queryRaw: async ({ sql }) => (/\bversion\(\)/.test(sql) ? EMPTY_DATABASE : refuse()),
    executeRaw: refuse,
    executeScript: refuse,
    startTransaction: refuse,
    dispose: async () => {},
    getConnectionInfo: () => ({ supportsRelationJoins: false }),
  };
  const adapter = bindMigrationAwareSqlAdapterFactory({ ...names, connect: async () => connection, connectToShadowDb: refuse });
  const Engine = await engineClass();
  const engine = await Engine.new({ datamodels: files }, () => {}, adapter);
  const result = await engine.diff({
    from: { tag: "empty" },
    to: { tag: "schemaDatamodel", files: files.map(([path, content]) => ({ path, content })) },
    script: true,
    exitCode: null,
    shadowDatabaseUrl: null,
    filters: { externalTables: [], externalEnums: [] },
  });
  return result.stdout ?? "";
}

// Defaults that the database fills; every other function is called by Prisma's client.
const IN_DATABASE = new Set(["now", "autoincrement", "dbgenerated", "sequence"]);

function clientSide(field) {
  if (field.isUpdatedAt) return "@updatedAt";
  const name = field.default?.name;
  // The database has a default, or computes the column, in a way that Prisma is not told.
  if (name === "dbgenerated" && !field.default.args?.[0]) return "dbgenerated()";
  return typeof name === "string" && !IN_DATABASE.has(name) ? `${name}()` : "";
}

async function read({ prisma }) {
  const files = readPrisma(prisma);
  const datasource = configOf(files).datasources?.[0];
  if (!datasource) throw new Error("There is no datasource block in the Prisma schema");
  if (!["postgresql", "postgres"].includes(datasource.activeProvider ?? datasource.provider)) {
    throw new Error(`The Prisma schema is for ${datasource.activeProvider ?? datasource.provider}, not for postgresql`);
  }
  const { datamodel } = dmmfOf(files);
  const sql = await sqlOf(files);
  const declared = datamodel.models.length + datamodel.enums.length;
  if (declared === 0) throw new Error("Prisma sees no model in the schema");
  if (!/CREATE (TABLE|TYPE)/.test(sql)) throw new Error("Prisma's schema engine gave no SQL");
  const views = new Set(files.flatMap(([, text]) => [...text.matchAll(/^[ \t]*view\s+(\w+)/gm)].map(([, name]) => name)));
  const tables = datamodel.models.filter(({ name }) => !views.has(name)).map((model) => ({
    model: model.name,
    table: qualified(model.schema, model.dbName ?? model.name),
    columns: model.fields
      .filter((field) => field.kind !== "object")
      .map((field) => ({ field: field.name, column: field.dbName ?? field.name, client: clientSide(field) })),
  }));
  return { sql, files: files.map(([path]) => path), tables };
}

const qualified = (schema, name) => (schema && schema !== "public" ? `${schema}.${name}` : name);

await answer(read);
