// What Drizzle means: the SQL that drizzle-kit exports for the schema files, what its query builder fills in by itself, and where
// each table and column stands in the source.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { build } from "esbuild";
import { getTableColumns, is } from "drizzle-orm";
import { CasingCache } from "drizzle-orm/casing";
import { PgMaterializedView, PgTable, PgView, getMaterializedViewConfig, getTableConfig, getViewConfig, isPgEnum, isPgSchema, pgSchema } from "drizzle-orm/pg-core";
import ts from "typescript";
import { answer, isTypeScript, someFiles } from "./sources.mjs";

const require = createRequire(import.meta.url);
// drizzle-kit passes defaults through JSON, which knows no BigInt: .default(5n) would end it.
BigInt.prototype.toJSON = function toJSON() {
  return this.toString();
};

/** A package that is not installed may be named, as in `$defaultFn(createId)`, but not called while the schema loads. */
function absent(name) {
  const refuse = function refuse() {
    throw new Error(`The Drizzle schema calls ${name} while it loads, and ${name} is not installed: install the application's packages`);
  };
  return new Proxy(refuse, { get: (_, key) => (typeof key === "symbol" ? undefined : key === "__esModule" ? true : absent(name)) });
}

/** What connects to a database is not needed to say what the schema is, and may be called. */
function connection() {
  const nothing = function nothing() {};
  const itself = new Proxy(nothing, {
    get: (_, key) => (typeof key === "symbol" || key === "then" ? undefined : itself),
    apply: () => itself,
    construct: () => itself,
  });
  return itself;
}

function requireFor(application, missing) {
  const fromApplication = createRequire(application);
  return (name) => {
    // drizzle-kit and the schema must share one drizzle-orm.
    if (name === "drizzle-orm" || name.startsWith("drizzle-orm/")) {
      try {
        return require(name);
      } catch (error) {
        // drizzle-orm/node-postgres and its like, whose drivers are not beside our drizzle-orm.
        if (error.code !== "MODULE_NOT_FOUND") throw error;
        return connection();
      }
    }
    try {
      return fromApplication(name);
    } catch (error) {
      if (!["MODULE_NOT_FOUND", "ERR_MODULE_NOT_FOUND"].includes(error.code)) throw error;
      missing.push(name);
      return absent(name);
    }
  };
}

async function load(files, root) {
  const bundle = await build({
    stdin: {
      contents: files.map((file, index) => `export * as f${index} from ${JSON.stringify(file)};`).join("\n"),
      resolveDir: root,
      loader: "ts",
    },
    absWorkingDir: root,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    packages: "external",
    write: false,
    metafile: true,
    logLevel: "silent",
    loader: { ".sql": "text" },
  });
  const missing = [];
  const module = { exports: {} };
  const code = bundle.outputFiles[0].text;
  new Function("module", "exports", "require", "__filename", "__dirname", code)(
    module, module.exports, requireFor(files[0], missing), files[0], dirname(files[0]),
  );
  // A file that hands on what another one declares exports it once more, and drizzle-kit takes that for a second one.
  const exported = [...new Set(Object.values(module.exports).flatMap(Object.values))];
  const byFile = new Map(files.map((file, index) => [file, module.exports[`f${index}`] ?? {}]));
  const inputs = Object.keys(bundle.metafile.inputs)
    .map((name) => resolve(root, name))
    .filter((name) => files.includes(name) || isTypeScript(name));
  return { exported, byFile, missing: [...new Set(missing)], inputs: inputs.filter((name) => !name.includes("<stdin>")) };
}

const qualified = (schema, name) => (schema && schema !== "public" ? `${schema}.${name}` : name);

/** The enum of a column, or of what its array holds. */
const enumOf = (column) => (column.baseColumn ? enumOf(column.baseColumn) : column.enum);

/**
 * What is exported, with the enums and schemas that its tables are made of: drizzle-kit's SQL needs them exported, the application,
 * whose database has them already, does not.
 */
function withParts(exported) {
  const tables = exported.filter((value) => is(value, PgTable));
  const known = new Set(exported);
  for (const table of tables) {
    for (const column of Object.values(getTableColumns(table))) {
      const found = enumOf(column);
      if (isPgEnum(found)) known.add(found);
    }
  }
  const present = new Set([...known].filter(isPgSchema).map((one) => one.schemaName));
  for (const { schema } of [...tables.map(getTableConfig), ...[...known].filter(isPgEnum)]) {
    if (schema && schema !== "public" && !present.has(schema)) {
      present.add(schema);
      known.add(pgSchema(schema));
    }
  }
  return [...known];
}

/** What a table is called in the database, by the variable that a file declares it as; undefined for what nothing exports. */
function tableNames(byFile) {
  const nameOf = (value) => {
    if (!is(value, PgTable)) return undefined;
    const { name, schema } = getTableConfig(value);
    return qualified(schema, name);
  };
  return (path, variable) => {
    const own = nameOf(byFile.get(path)?.[variable]);
    if (own) return own;
    // Declared in a file that another one hands on.
    const names = new Set([...byFile.values()].map((module) => nameOf(module[variable])).filter(Boolean));
    return names.size === 1 ? [...names][0] : undefined;
  };
}

function tablesOf(exported, casing) {
  const names = new CasingCache(casing || undefined);
  const tables = new Map();
  for (const value of exported) {
    if (!is(value, PgTable)) continue;
    const { name, schema } = getTableConfig(value);
    tables.set(qualified(schema, name), Object.entries(getTableColumns(value)).map(([property, column]) => ({
      property,
      column: names.getColumnCasing(column),
      client: column.defaultFn ? "$defaultFn" : column.onUpdateFn ? "$onUpdate" : "",
      on_update: Boolean(column.onUpdateFn),
    })));
  }
  return [...tables].map(([table, columns]) => ({ table, columns }));
}

/** Views are not compared, but Kysely's types speak of them as of tables. */
function viewsOf(exported) {
  const configs = exported.flatMap((value) =>
    is(value, PgView) ? [getViewConfig(value)] : is(value, PgMaterializedView) ? [getMaterializedViewConfig(value)] : [],
  );
  return [...new Set(configs.map(({ name, schema }) => qualified(schema, name)))];
}

/** The variable that a call is assigned to, where its statement begins, and whether that is exported. */
function declarationOf(call, file) {
  let value = call;
  // pgTable(…).enableRLS() is a table too.
  while (ts.isPropertyAccessExpression(value.parent) && ts.isCallExpression(value.parent.parent) && value.parent.parent.expression === value.parent) {
    value = value.parent.parent;
  }
  const declaration = value.parent;
  if (!ts.isVariableDeclaration(declaration)) return { variable: "", statement: null, statement_end: null, exported: false };
  const statement = declaration.parent.parent;
  const exported = ts.canHaveModifiers(statement) && (ts.getModifiers(statement) ?? []).some((one) => one.kind === ts.SyntaxKind.ExportKeyword);
  return {
    variable: declaration.name.getText(file),
    statement: statement.getStart(file),
    // Taken out as a whole only where it declares nothing else.
    statement_end: declaration.parent.declarations.length === 1 ? statement.getEnd() : null,
    exported: Boolean(exported),
  };
}

/** The columns, as properties of the table's parameter, that a node speaks of, in order. */
function propertiesIn(node, parameter, file) {
  const found = [];
  const visit = (one) => {
    if (ts.isPropertyAccessExpression(one) && one.expression.getText(file) === parameter) found.push(one.name.text);
    else if (ts.isElementAccessExpression(one) && one.expression.getText(file) === parameter && ts.isStringLiteralLike(one.argumentExpression)) {
      found.push(one.argumentExpression.text);
    } else ts.forEachChild(one, visit);
  };
  visit(node);
  return found;
}

/** What a table has beside its columns: `(t) => [index().on(t.a)]`, or an object of them; null for another form. */
function extrasOf(call, file) {
  const callback = call.arguments[2];
  if (!callback) return { start: null, parameter: "table", named: false, entries: [] };
  if (!ts.isArrowFunction(callback) || callback.parameters.length !== 1 || !ts.isIdentifier(callback.parameters[0].name)) return null;
  const body = ts.isParenthesizedExpression(callback.body) ? callback.body.expression : callback.body;
  const named = ts.isObjectLiteralExpression(body);
  if (!named && !ts.isArrayLiteralExpression(body)) return null;
  const parameter = callback.parameters[0].name.text;
  const entries = (named ? body.properties.filter(ts.isPropertyAssignment) : body.elements).map((entry) => {
    const value = named ? entry.initializer : entry;
    // index("name").on(…).where(…): what it is stands at the root of the chain.
    let root = value;
    let about = [value];
    while (ts.isCallExpression(root) || ts.isPropertyAccessExpression(root)) {
      const called = root.expression;
      const keys = ts.isCallExpression(root) && ts.isPropertyAccessExpression(called) && /^(on|onOnly|using)$/.test(called.name.text);
      if (keys) about = [...root.arguments];
      const options = ts.isCallExpression(root) ? root.arguments.find(ts.isObjectLiteralExpression) : undefined;
      about = options?.properties.filter((one) => one.name?.getText(file) === "columns") ?? about;
      root = called;
    }
    return {
      kind: root.getText(file),
      properties: about.flatMap((one) => propertiesIn(one, parameter, file)),
      start: entry.getStart(file),
      end: entry.getEnd(),
    };
  });
  return { start: body.getStart(file), parameter, named, entries };
}

/** The object of a table's columns: written out, or returned by a callback, `(t) => ({ … })`; undefined for another form. */
function columnsIn(argument) {
  if (ts.isObjectLiteralExpression(argument)) return argument;
  if (!ts.isArrowFunction(argument) && !ts.isFunctionExpression(argument)) return undefined;
  const last = ts.isBlock(argument.body) ? argument.body.statements.at(-1) : undefined;
  let body = last && ts.isReturnStatement(last) ? last.expression : argument.body;
  while (body && ts.isParenthesizedExpression(body)) body = body.expression;
  return body && ts.isObjectLiteralExpression(body) ? body : undefined;
}

/** `text("a")` and the calls behind it, where a column is such a chain. */
function chainOf(value) {
  const links = [];
  let builder = value;
  while (ts.isCallExpression(builder) && ts.isPropertyAccessExpression(builder.expression) && ts.isCallExpression(builder.expression.expression)) {
    const inner = builder.expression.expression;
    links.unshift({ name: builder.expression.name.text, start: inner.getEnd(), end: builder.getEnd() });
    builder = inner;
  }
  return ts.isCallExpression(builder) ? { builder_start: value.getStart(), builder_end: builder.getEnd(), links } : { builder_end: null };
}

/** Offsets of JavaScript count a character outside the basic plane, an emoji in a comment, twice; the caller counts characters. */
function inCharacters(found, text) {
  if (!/[\ud800-\udfff]/.test(text)) return found;
  const convert = (one) => {
    if (Number.isInteger(one)) return [...text.slice(0, one)].length;
    if (Array.isArray(one)) return one.map(convert);
    if (one && typeof one === "object") return Object.fromEntries(Object.entries(one).map(([key, value]) => [key, convert(value)]));
    return one;
  };
  return convert(found);
}

/** Every `…Table("name", { … })` and `…Enum("name", [ … ])` in the sources, with offsets into the file. */
function places(inputs, tableName) {
  const tables = [];
  const enums = [];
  const schemas = new Map();
  const creators = new Set();
  for (const path of inputs) {
    const text = readFileSync(path, "utf8");
    for (const [, variable, name] of text.matchAll(/\b(\w+)\s*=\s*pgSchema\(\s*["'`]([^"'`]+)["'`]/g)) schemas.set(variable, name);
    for (const [, variable] of text.matchAll(/\b(\w+)\s*=\s*pgTableCreator\(/g)) creators.add(variable);
  }
  for (const path of inputs) {
    const text = readFileSync(path, "utf8");
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const addTable = (node, name, body) => {
      const callee = node.expression.getText(file);
      const declaration = declarationOf(node, file);
      // What a creator makes of a name only the table itself knows.
      const written = /table$/i.test(callee) && !creators.has(callee) ? qualified(schemas.get(callee.split(".")[0]), name.text) : undefined;
      const table = tableName(path, declaration.variable) ?? written;
      const columns = table && columnsIn(body);
      if (!columns) return;
      tables.push(inCharacters({
        path,
        table,
        ...declaration,
        body_start: body.getStart(file),
        body_end: body.getEnd(),
        extras: extrasOf(node, file),
        columns: columns.properties.filter(ts.isPropertyAssignment).map((property) => ({
          property: property.name.text ?? property.name.getText(file),
          start: property.getStart(file),
          end: property.getEnd(),
          ...chainOf(property.initializer),
        })),
      }, text));
    };
    const addEnum = (node, name, body) => {
      const literal = ts.isArrayLiteralExpression(body);
      enums.push(inCharacters({
        path,
        enum: qualified(schemas.get(node.expression.getText(file).split(".")[0]), name.text),
        ...declarationOf(node, file),
        name_start: name.getStart(file),
        name_end: name.getEnd(),
        // Values that stand elsewhere, `pgEnum("role", ROLES)`, are left to people.
        start: literal ? body.getStart(file) : null,
        end: literal ? body.getEnd() : null,
      }, text));
    };
    const visit = (node) => {
      if (ts.isCallExpression(node)) {
        const [name, body] = node.arguments;
        if (name && ts.isStringLiteralLike(name) && body) {
          if (/enum$/i.test(node.expression.getText(file))) addEnum(node, name, body);
          else addTable(node, name, body);
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return { tables, enums, texts: Object.fromEntries(inputs.map((path) => [path, readFileSync(path, "utf8")])) };
}

async function read({ drizzle, casing }) {
  const all = someFiles(drizzle, isTypeScript, /\.[cm]?[jt]sx?$/, "TypeScript file");
  // A folder often holds the connection as well: what declares nothing is loaded only where a declaration imports it.
  const declaring = all.filter((file) => readFileSync(file, "utf8").includes("drizzle-orm/pg-core"));
  const files = declaring.length > 0 ? declaring : all;
  const root = dirname(files[0]);
  const { exported: loaded, byFile, missing, inputs } = await load(files, root);
  const exported = withParts(loaded);
  const tables = tablesOf(exported, casing);
  if (tables.length === 0) throw new Error("Drizzle sees no exported pgTable in the files");
  const { generateDrizzleJson, generateMigration } = require("drizzle-kit/api");
  const before = generateDrizzleJson({}, undefined, undefined, casing || undefined);
  const after = generateDrizzleJson({ ...exported }, before.id, undefined, casing || undefined);
  const sql = await generateMigration(before, after);
  if (!sql.some((statement) => statement.includes("CREATE TABLE"))) throw new Error("drizzle-kit gave no SQL");
  // Roles, policies and views are not compared, and the throwaway database has not the roles that they name.
  const compared = sql.filter((statement) => !/^(CREATE|ALTER|DROP) (ROLE|POLICY|(MATERIALIZED )?VIEW)\b/.test(statement));
  return { sql: compared.join("\n"), files: inputs, missing_packages: missing, tables, views: viewsOf(loaded), source: places(inputs, tableNames(byFile)) };
}

await answer(read);
