// What Kysely's types mean, as the TypeScript compiler resolves them: the application's types.ts, and what prisma-kysely would
// generate today from the Prisma schema.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import ts from "typescript";
import { configOf, dmmfOf, readPrisma } from "./prisma_files.mjs";
import { answer, filesUnder, isTypeScript, sentence, someFiles } from "./sources.mjs";

const require = createRequire(import.meta.url);
const NAMES = ["DB", "Database"];

// ---- the compiler ----------------------------------------------------------------------------------------------------------

// Both compilations read the same libraries.
const PARSED = new Map();
// Node's own type, which an application has from @types/node.
const AMBIENT = "interface Buffer extends Uint8Array {}\n";

/** What the files import from kysely by name; a name that no file can have where they import it in another way. */
function imported(files) {
  return files.flatMap((path) =>
    [...readFileSync(path, "utf8").matchAll(/(?:import|export)\s+(?:type\s+)?([^;]*?)\s+from\s+["']kysely["']/g)].flatMap(([, what]) => {
      const list = /^\{([^}]*)\}$/.exec(what);
      return list ? list[1].split(",").map((one) => one.replace(/\btype\b|\bas\b.*/g, "").trim()).filter(Boolean) : ["?"];
    }),
  );
}

/** The short names that the application's tsconfig.json gives its folders; nothing where it has none, or extends what is not installed. */
function pathsFor(file) {
  const found = ts.findConfigFile(dirname(file), ts.sys.fileExists);
  if (!found) return {};
  const host = { ...ts.sys, readDirectory: () => [] };
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(found, ts.sys.readFile).config ?? {}, host, dirname(found));
  const { baseUrl, paths, pathsBasePath } = options;
  return Object.fromEntries(Object.entries({ baseUrl, paths, pathsBasePath }).filter(([, value]) => value !== undefined));
}

function compile(files) {
  const options = {
    ...pathsFor(files[0]),
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    lib: ["lib.es2022.d.ts"],
    types: [],
    allowImportingTsExtensions: true,
  };
  const host = ts.createCompilerHost(options);
  const ambient = join(dirname(files[0]), "pgkeel-ambient.d.ts");
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === ambient || fileExists.call(host, name);
  host.getSourceFile = (name, ...rest) => {
    if (name === ambient) return ts.createSourceFile(name, AMBIENT, ts.ScriptTarget.ES2022);
    if (!PARSED.has(name)) PARSED.set(name, getSourceFile.call(host, name, ...rest));
    return PARSED.get(name);
  };
  // One kysely, ours: an application that is not installed has none. Where the file with the column types has all that is imported,
  // the rest of kysely, hundreds of files, need not be read.
  const whole = require.resolve("kysely").replace(/\.[cm]?js$/, ".d.ts");
  const small = join(dirname(whole), "util", "column-type.d.ts");
  const kysely = existsSync(small) && imported(files).every((name) => readFileSync(small, "utf8").includes(`export type ${name}<`)) ? small : whole;
  host.resolveModuleNameLiterals = (literals, containing, redirected, compilerOptions) =>
    literals.map(({ text }) =>
      text === "kysely"
        ? { resolvedModule: { resolvedFileName: kysely, extension: ts.Extension.Dts, isExternalLibraryImport: true } }
        : ts.resolveModuleName(text, containing, compilerOptions, host, undefined, redirected),
    );
  const program = ts.createProgram({ rootNames: [...files, ambient], options, host });
  for (const path of files) {
    const [first] = program.getSyntacticDiagnostics(program.getSourceFile(path));
    if (first) {
      const { line } = first.file.getLineAndCharacterOfPosition(first.start);
      throw new Error(`${path}:${line + 1}: ${ts.flattenDiagnosticMessageText(first.messageText, " ")}`);
    }
  }
  return program;
}

const isNever = (type) => Boolean(type.flags & ts.TypeFlags.Never);
const members = (type) => (type.isUnion() ? type.types : [type]);

function propertyType(checker, type, name) {
  const symbol = type.getProperty(name);
  return symbol && checker.getTypeOfSymbol(symbol);
}

/** What a select gives: ColumnType, which may hold another one, taken away. */
function selectedOf(checker, type) {
  return members(type).flatMap((part) => {
    const select = propertyType(checker, part, "__select__");
    return select ? selectedOf(checker, select) : [part];
  });
}

/** Whether a name is of a package that is not installed: imported, and nothing is behind it. */
function isAbsent(checker, name) {
  const symbol = checker.getSymbolAtLocation(name);
  if (!symbol || !(symbol.flags & ts.SymbolFlags.Alias)) return false;
  return !checker.getAliasedSymbol(symbol).declarations;
}

/** Whether a type, or an alias of it, is written with such a name; the compiler takes that for `any`. */
function usesAbsent(checker, node, seen = new Set()) {
  // The properties of an object are judged one by one.
  if (seen.has(node) || ts.isTypeLiteralNode(node)) return false;
  seen.add(node);
  const name = ts.isTypeReferenceNode(node) ? node.typeName : ts.isExpressionWithTypeArguments(node) ? node.expression : null;
  if (name) {
    if (isAbsent(checker, ts.isIdentifier(name) ? name : name.left ?? name)) return true;
    const symbol = checker.getSymbolAtLocation(name);
    const found = symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    for (const declaration of found?.declarations ?? []) {
      const own = !declaration.getSourceFile().isDeclarationFile;
      if (own && ts.isTypeAliasDeclaration(declaration) && usesAbsent(checker, declaration.type, seen)) return true;
      if (own && ts.isInterfaceDeclaration(declaration) && inheritsAbsent(checker, declaration, seen)) return true;
    }
  }
  return Boolean(ts.forEachChild(node, (child) => usesAbsent(checker, child, seen) || undefined));
}

const inheritsAbsent = (checker, declaration, seen = new Set()) =>
  (declaration.heritageClauses ?? []).some((clause) => clause.types.some((one) => usesAbsent(checker, one, seen)));

/** The text of a column's type without null and without Generated, which are compared by themselves. */
function bareText(node) {
  const text = (ts.isUnionTypeNode(node) ? node.types.filter((one) => one.getText() !== "null").map((one) => one.getText()) : [node.getText()]).join(" | ");
  return /^Generated<(.*)>$/s.exec(text)?.[1].replace(/\s*\|\s*null\b/g, "") ?? text;
}

/** A column: the type a select gives without null, whether null is among it, and whether an insert may leave it out. */
function columnOf(checker, symbol) {
  const whole = checker.getTypeOfSymbol(symbol);
  const selected = selectedOf(checker, whole);
  // An insert may leave out what accepts undefined, as `unknown` does too.
  const absent = ts.TypeFlags.Undefined | ts.TypeFlags.Unknown | ts.TypeFlags.Any;
  const generated = members(whole).some((part) => {
    const insert = propertyType(checker, part, "__insert__");
    return Boolean(insert) && (isNever(insert) || members(insert).some((one) => one.flags & absent));
  });
  const nothing = ts.TypeFlags.Null | ts.TypeFlags.Undefined;
  const values = selected.filter((one) => !(one.flags & nothing));
  const node = symbol.valueDeclaration?.type;
  const absentType = Boolean(node) && usesAbsent(checker, node);
  // `unknown` and what is not installed swallow null: only the text still says it.
  const swallows = absentType || values.some((one) => one.flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any));
  const swallowed = swallows && /\bnull\b/.test(node?.getText() ?? "");
  const nullable = values.length < selected.length || swallowed || Boolean(symbol.flags & ts.SymbolFlags.Optional);
  // Its name is all there is to compare.
  if (absentType) return { type: `unresolved ${bareText(node)}`, nullable, generated: generated || /\bGenerated</.test(node.getText()) };
  const names = values.map((one) => (one.isStringLiteral() ? JSON.stringify(one.value) : checker.typeToString(one, undefined, ts.TypeFlags.NoTruncation)));
  // The compiler takes boolean apart.
  const unique = new Set(names);
  if (unique.delete("true") && unique.delete("false")) unique.add("boolean");
  return { type: [...unique].sort().join(" | ") || "never", nullable, generated };
}

function lineOf(symbol) {
  const node = symbol.valueDeclaration ?? symbol.declarations?.[0];
  if (!node) return { path: "", line: 0, text: "" };
  const file = node.getSourceFile();
  return { path: file.fileName, line: file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1, text: node.getText(file) };
}

export function typesOf(files, wantedName) {
  const program = compile(files);
  const checker = program.getTypeChecker();
  const exported = files.flatMap((path) => {
    const module = checker.getSymbolAtLocation(program.getSourceFile(path));
    return module ? checker.getExportsOfModule(module) : [];
  });
  const name = (wantedName ? [wantedName] : NAMES).find((one) => exported.some((symbol) => symbol.name === one));
  if (!name) throw new Error(`No exported type ${wantedName || NAMES.join(" or ")} in ${files[0]}: name it in schema_audit_kysely_type`);
  const database = checker.getDeclaredTypeOfSymbol(exported.find((symbol) => symbol.name === name));
  const whole = exported.find((symbol) => symbol.name === name).declarations?.[0];
  if (whole && (ts.isInterfaceDeclaration(whole) ? inheritsAbsent(checker, whole) : ts.isTypeAliasDeclaration(whole) && usesAbsent(checker, whole.type))) {
    throw new Error(`The type ${name} is made of one that cannot be resolved: install the application's packages`);
  }
  const unresolved = [];
  const tables = checker.getPropertiesOfType(database).flatMap((table) => {
    const type = checker.getTypeOfSymbol(table);
    const node = table.valueDeclaration?.type;
    if (type.flags & ts.TypeFlags.Any || (node && usesAbsent(checker, node))) {
      unresolved.push(table.name);
      return [];
    }
    return [{
      table: table.name,
      place: lineOf(table),
      columns: checker.getPropertiesOfType(type).map((column) => ({
        column: column.name, ...columnOf(checker, column), place: lineOf(column),
      })),
    }];
  });
  if (tables.length === 0 && unresolved.length > 0) throw new Error(`The type of table ${unresolved.join(", ")} cannot be resolved`);
  if (tables.length === 0) throw new Error(`The type ${name} has no table`);
  const enums = new Map();
  // Those of files that the types import too: prisma-kysely can write enums to a file of their own.
  const others = program.getSourceFiles().filter((file) => !file.isDeclarationFile && !files.includes(file.fileName));
  const fromOthers = others.flatMap((file) => {
    const module = checker.getSymbolAtLocation(file);
    return module ? checker.getExportsOfModule(module) : [];
  });
  for (const symbol of [...fromOthers, ...exported]) {
    if (!(symbol.flags & ts.SymbolFlags.TypeAlias) && !(symbol.flags & ts.SymbolFlags.Enum)) continue;
    const values = members(checker.getDeclaredTypeOfSymbol(symbol));
    if (values.every((one) => one.isStringLiteral())) enums.set(symbol.name, { values: values.map((one) => one.value), place: lineOf(symbol) });
  }
  return { tables, unresolved, enums: [...enums].map(([enumName, found]) => ({ enum: enumName, ...found })) };
}

// ---- prisma-kysely ---------------------------------------------------------------------------------------------------------

function rejectOnExit(child, stderr) {
  return new Promise((_, reject) => child.once("exit", (code) => reject(new Error(`prisma-kysely ended with ${code}: ${stderr.join("").slice(-500)}`))));
}

const generatorIn = (config) =>
  (config.generators ?? []).find((one) => /kysely/.test(one.provider?.value ?? "") && !/codegen/.test(one.provider?.value ?? ""));

/** The name that the schema's own generator gives the type of the whole database; empty for the usual one, or where nobody can tell. */
function typeNameIn(prisma) {
  try {
    return generatorIn(configOf(readPrisma(prisma)))?.config?.dbTypeName ?? "";
  } catch {
    return "";
  }
}

/** Run prisma-kysely as `prisma generate` does, with the settings of the schema's own generator block; returns its files. */
async function generate(prisma, folder) {
  const files = readPrisma(prisma);
  const config = configOf(files);
  const dmmf = dmmfOf(files);
  const own = generatorIn(config);
  const generator = {
    name: own?.name ?? "kysely",
    provider: { fromEnvVar: null, value: "prisma-kysely" },
    output: { fromEnvVar: null, value: folder },
    config: own?.config ?? {},
    binaryTargets: [],
    previewFeatures: [],
    sourceFilePath: files[0][0],
  };
  const bin = join(dirname(require.resolve("prisma-kysely/bin")), "bin.js");
  const child = spawn(process.execPath, [bin], { stdio: ["pipe", "ignore", "pipe"] });
  const stderr = [];
  const answered = new Promise((done, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      let message;
      try {
        message = JSON.parse(line);
      } catch {
        stderr.push(`${line}\n`);
        return;
      }
      if (message.error) reject(new Error(message.error.message));
      else if (message.id === 1) done(message.result);
    });
  });
  const params = {
    generator,
    otherGenerators: [],
    dmmf,
    datasources: config.datasources ?? [],
    datamodel: files.map(([, text]) => text).join("\n"),
    schemaPath: files[0][0],
    version: "0",
    hash: "0",
  };
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", method: "generate", params, id: 1 })}\n`);
  try {
    await Promise.race([answered, rejectOnExit(child, stderr)]);
  } finally {
    child.kill();
  }
  return { files: filesUnder(folder, isTypeScript), configured: Boolean(own), camelCase: own?.config?.camelCase === "true", type: own?.config?.dbTypeName };
}

async function expectedOf(prisma) {
  const folder = mkdtempSync(join(tmpdir(), "pgkeel-kysely-"));
  try {
    mkdirSync(folder, { recursive: true });
    const made = await generate(prisma, folder);
    if (made.files.length === 0 || !existsSync(made.files[0])) throw new Error("prisma-kysely generated no file");
    const texts = made.files.map((path) => readFileSync(path, "utf8"));
    return { ...typesOf(made.files, made.type), configured: made.configured, camel_case: made.camelCase, type: made.type ?? "", texts };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function read({ prisma, kysely, kysely_type: wantedName }) {
  // prisma-kysely runs in a process of its own: the committed types are read meanwhile.
  const pending = prisma ? expectedOf(prisma).catch((error) => ({ problem: sentence(error) })) : null;
  const files = someFiles(kysely, (name) => isTypeScript(name) || name.endsWith(".d.ts"), /\.[cm]?tsx?$/, "TypeScript file");
  const types = typesOf(files, wantedName || (prisma && typeNameIn(prisma)));
  const generated = await pending;
  const normal = (texts) => texts.map((text) => text.replace(/\s+/g, " ").trim()).sort().join("\n");
  const same = generated?.texts ? normal(generated.texts) === normal(files.map((path) => readFileSync(path, "utf8"))) : null;
  if (generated) delete generated.texts;
  return { files, ...types, generated, same_text: same };
}

await answer(read);
